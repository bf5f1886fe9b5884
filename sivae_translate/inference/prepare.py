"""Image preparation: from a path, PIL image, array or tensor to a tensor in a model's frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sivae_translate.data.given import checked, opened
from sivae_translate.data.images import Frame, UnreadableImage, fit, read_image, to_rgb
from sivae_translate.errors import UsageError, shown

OnePicture = str | Path | Image.Image | np.ndarray  # one image whatever its values; a tensor may hold several
Picture = OnePicture | Tensor
"""A path, a PIL image, uint8 `[H, W]` or `[H, W, 3 or 4]`, or a float tensor `[3, H, W]` in [0, 1]."""

Pictures = Picture | Sequence[Picture]
"""One or several, as a sequence, such as a list, or a tensor `[B, 3, H, W]`."""


def batches(images: Pictures, frame: Frame, size: int, name: str = "images") -> Iterator[Tensor]:
    """One image or several -> batches of float32 `[B, 3, size, size]` in [0, 1], on the CPU; B is at most `size`.

    Args:
        name: of the argument, for errors.

    Raises:
        UsageError: no image, or a value of another type or shape.
        UnreadableImage: a file that cannot be read, with its name and the reason.
    """
    items = each(images, name)
    names = (f"{name}[{i}]" if several(images) else name for i in range(len(items)))
    prepared = (prepare_named(image, frame, place) for image, place in zip(items, names, strict=True))
    while batch := list(islice(prepared, size)):
        yield torch.stack(batch)


def prepare_named(image: Any, frame: Frame, name: str) -> Tensor:
    """`prepare_one`, with errors that name the argument, and the file where it is one."""
    try:
        return prepare_one(image, frame)
    except UnreadableImage as error:
        raise UnreadableImage(f"{name}: cannot read {shown(image)} ({error})") from None
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None


def prepare_one(image: Any, frame: Frame) -> Tensor:
    """One image -> float32 `[3, size, size]` in [0, 1]. A tensor of that size is not rounded to 8 bits."""
    if isinstance(image, Tensor):
        x = checked(image)
        if x.shape[1:] == (frame.size, frame.size):
            return x
    levels = pixels_of(image, frame)
    if not levels.size:
        raise UsageError(f"an image of shape {levels.shape}: expected at least one pixel")
    fitted = fit(levels, frame.size, frame.fit, frame.background)
    return from_levels(fitted)


def from_levels(levels: np.ndarray) -> Tensor:
    """uint8 `[..., H, W, 3]` -> float32 `[..., 3, H, W]` in [0, 1]."""
    return torch.from_numpy(levels).movedim(-1, -3).float() / 255


def pixels_of(image: Any, frame: Frame) -> np.ndarray:
    """A path, PIL image, array or tensor as uint8 `[H, W, 3]`, transparency composited onto the frame's background.

    A large JPEG file may be decoded at a reduced size, with a shorter side of at least the frame's size.
    """
    if isinstance(image, str | Path):
        return read_image(image, background=frame.background, min_side=frame.size, white=frame.white)
    return to_rgb(opened(image), frame.background, white=frame.white)


def several(images: Pictures) -> bool:
    """Whether the argument is a sequence, such as a list, or a tensor `[B, 3, H, W]` rather than one image."""
    if isinstance(images, Tensor):
        return images.ndim == 4
    return isinstance(images, Sequence) and not isinstance(images, str | bytes)


def each(images: Pictures, name: str) -> Sequence[Any]:
    """One image or several as a sequence. Raises UsageError where it is empty."""
    items: Sequence[Any] = list(images) if several(images) else [images]  # type: ignore[arg-type]
    if not items:
        raise UsageError(f"{name} was empty: expected one image or more")
    return items
