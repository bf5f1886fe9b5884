"""Translate pictures on canvases: encode their squares, give all squares of a picture one style, and blend them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sivae_translate.data.images import Frame
from sivae_translate.inference.prepare import from_levels, pixels_of
from sivae_translate.inference.shape import Placed, Shape, finished, put, read_placed
from sivae_translate.inference.style_correction import corrected_style
from sivae_translate.inference.tiles import blended, count, squares
from sivae_translate.models import Autoencoder
from sivae_translate.pictures import to_pictures

SQUARES = 32  # that the network computes at a time, which bounds memory


class Network(Protocol):
    """The part of a translator that canvases need."""

    model: Autoencoder
    frame: Frame

    def contents(self, x: Tensor) -> Tensor: ...

    def restyle(self, content: Tensor, style: Tensor, *, style_correction: int = 0) -> Tensor: ...


class Contents(NamedTuple):
    """The mean contents of a picture.

    Attributes:
        squares: of the squares of its canvas, `[n, K, g, g]`.
        frame: of the picture in the model's frame, `[1, K, g, g]`, for the correction of its style. None: no
            correction, or a single square.
    """

    squares: Tensor
    frame: Tensor | None


def square_count(picture: Placed) -> int:
    """The number of squares that a picture is translated in."""
    return 1 if picture.canvas is None else count(picture.canvas, len(picture.levels))


def encode(network: Network, pictures: Sequence[Placed], corrects: bool) -> list[Contents]:
    """The contents of pictures.

    Args:
        corrects: whether styles are to be corrected.
    """
    if not pictures:
        return []
    every = (square for picture in pictures for square in squares_of(picture))
    chunks = iter(lambda: list(islice(every, SQUARES)), [])
    encoded = torch.cat([network.contents(from_levels(np.stack(chunk))) for chunk in chunks])
    result = list[Contents]()
    for picture, rows in zip(pictures, torch.split(encoded, list(map(square_count, pictures))), strict=True):
        several = corrects and len(rows) > 1
        result.append(Contents(rows, network.contents(from_levels(picture.levels[None])) if several else None))
    return result


def squares_of(picture: Placed) -> Iterator[np.ndarray]:
    if picture.canvas is None:
        return iter([picture.levels])
    return squares(picture.canvas, len(picture.levels))


def decode(
    network: Network, contents: Sequence[Contents], pictures: Sequence[Placed], style: Tensor, rounds: int
) -> list[Image.Image]:
    """The translated canvases of pictures.

    Args:
        style: s, `[S]`.
        rounds: of style correction, on the picture as a whole.
    """
    if all(len(each.squares) == 1 for each in contents):
        rows = torch.cat([each.squares for each in contents])
        return to_pictures(network.restyle(rows, style, style_correction=rounds))
    result = list[Image.Image]()
    for each, picture in zip(contents, pictures, strict=True):
        own = style[None]
        if rounds:
            whole = each.squares if each.frame is None else each.frame
            own = corrected_style(network.model, whole, own.to(whole.device), rounds)
        decoded = (
            square.permute(1, 2, 0).cpu().numpy()
            for rows in torch.split(each.squares, SQUARES)
            for square in network.restyle(rows, own[0])
        )
        height, width = (picture.levels if picture.canvas is None else picture.canvas).shape[:2]
        result.append(Image.fromarray(blended(decoded, width, height, len(picture.levels))))
    return result


def in_shape(network: Network, image: Any, shape: Shape, style: Tensor, rounds: int) -> Image.Image:
    """The translation of one image, a path, PIL image, array or tensor, in a shape; see `decode`."""
    placed = place_image(image, network.frame, shape)
    (canvas,) = decode(network, encode(network, [placed], rounds > 0), [placed], style, rounds)
    return finished(canvas, placed.placement)


def place_image(image: Any, frame: Frame, shape: Shape) -> Placed:
    """An image as the model gets it. Raises UsageError where it is none, and UnreadableImage."""
    if isinstance(image, str | Path):
        return read_placed(Path(image), frame, shape)
    pixels = pixels_of(image, frame)
    return put(pixels, (pixels.shape[1], pixels.shape[0]), frame, shape)
