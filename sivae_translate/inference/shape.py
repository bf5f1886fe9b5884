"""The shape of translations: how a picture of any size is put before a model of one square size, and brought back.

A picture lies on a canvas, which the model translates in squares of its own size (see `inference.tiles`). The part of
the canvas that shows the picture is then resized to the output's size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from sivae_translate.data.alpha import read_alpha
from sivae_translate.data.images import FITS, Frame, fit, resized
from sivae_translate.data.reader import read_in_frame
from sivae_translate.data.sized import read_sized
from sivae_translate.errors import UsageError, did_you_mean
from sivae_translate.models import Autoencoder

WHOLE = "whole"
MODEL, INPUT = "model", "input"
ALPHAS = ("drop", "keep")
LARGEST = 8192  # pixels of a longer side that can be asked for
LONGEST = 4  # times the model's size: the longer side of a canvas, if tiles need no more

Size = tuple[int, int]
"""(width, height) in pixels."""


@dataclass(frozen=True)
class Shape:
    """The shape of all outputs of a call.

    Attributes:
        size: "model": squares of the model's size; "input": the size of each input; else pixels of the longer side.
        fit: how a picture is put before the model, one of `FITS` as in `data.images.fit`, or "whole": the shorter side
            at the model's size, and the longer side covered by as many overlapping squares as it takes.
        tile: whether a picture larger than the model is translated at the output's size, in overlapping squares.
        alpha: "keep" puts the transparency of the input into the output, "drop" does not.
    """

    size: str | int = MODEL
    fit: str = "crop"
    tile: bool = False
    alpha: str = "drop"


@dataclass(frozen=True)
class Placement:
    """Where a picture lies.

    Attributes:
        canvas: size of the canvas; each side is at least the model's.
        box: (left, top, right, bottom) of the picture on the canvas.
        output: size of the output.
    """

    canvas: Size
    box: tuple[int, int, int, int]
    output: Size


@dataclass(frozen=True)
class Placed:
    """A picture as the model gets it.

    Attributes:
        levels: the picture in the model's frame, uint8 `[size, size, 3]`.
        canvas: the picture on its canvas, uint8 `[H, W, 3]`; None where that is `levels`.
        placement: None for an output of the model's size.
    """

    levels: np.ndarray
    canvas: np.ndarray | None = None
    placement: Placement | None = None


def shape_of(
    frame: Frame,
    layout: bool,
    *,
    size: str | int | None = None,
    fit: str | None = None,
    tile: bool = False,
    alpha: str = "drop",
) -> Shape:
    """The shape of a call, with its defaults resolved.

    Args:
        frame: of the model.
        layout: whether the model's content is a layout.
        size: as in `Shape`, also digits. None: "input" for a layout, and "model" for a vector content, since such a
            model draws an object at a size of its own.
        fit: as in `Shape`. None: the frame's. Where a crop would lose a part of a picture that comes back in its own
            proportions, "whole" takes its place.
        tile, alpha: as in `Shape`.

    Raises:
        UsageError: no such size, fit or alpha, or options that exclude each other or need a layout.
    """
    given = checked_size((INPUT if layout or tile else MODEL) if size is None else size)
    for name, value, values in (("fit", fit or frame.fit, (*FITS, WHOLE)), ("alpha", alpha, ALPHAS)):
        if value not in values:
            raise UsageError(f"{name} {value!r}: {did_you_mean(str(value), list(values))}")
    if not layout and (tile or fit == WHOLE):
        option = "--tile" if tile else f"--fit {WHOLE}"
        raise UsageError(
            f"{option} needs a model whose content is a layout (recipe pictures): this one draws an object at its own "
            f"size, {frame.size} px; enlarge its output with --size {INPUT}"
        )
    if given == MODEL and (tile or fit == WHOLE):
        option = "--tile" if tile else f"--fit {WHOLE}"
        raise UsageError(f"{option} and --size {MODEL} exclude each other: expected --size {INPUT}, or a number")
    if fit is None:
        fit = WHOLE if layout and given != MODEL and (frame.fit == "crop" or tile) else frame.fit
    if tile and fit == "stretch":
        raise UsageError("--tile keeps the proportions, and --fit stretch does not: expected --fit whole, crop or pad")
    return Shape(given, fit, tile, alpha)


def has_layout(model: Autoencoder) -> bool:
    """Whether a model's content is a layout, and not a vector."""
    return model.content_shape[-1] > 1


def checked_size(size: str | int) -> str | int:
    """A size as in `Shape`. Raises UsageError for another value."""
    if size in (MODEL, INPUT):
        return size
    text = str(size)
    if isinstance(size, bool) or not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= LARGEST:
        raise UsageError(
            f"size {size!r}: expected {INPUT}, {MODEL}, or the longer side in pixels, from 1 to {LARGEST:,}"
        )
    return int(text)


def place(size: Size, frame: Frame, shape: Shape) -> Placement:
    """Where a picture of a size lies; a picture that is cropped is given as its square."""
    side, longer, shorter = frame.size, max(size), min(size)
    output = scaled(size, shape.size / longer if isinstance(shape.size, int) else 1)
    if shape.fit == "stretch":
        return Placement((side, side), (0, 0, side, side), output)
    scale = side / longer if shape.fit == "pad" else min(side / shorter, LONGEST * side / longer)
    if shape.tile:
        scale = max(scale, max(output) / longer)
    width, height = scaled(size, scale)
    canvas = (max(side, width), max(side, height))
    left, top = (canvas[0] - width) // 2, (canvas[1] - height) // 2
    return Placement(canvas, (left, top, left + width, top + height), output)


def scaled(size: Size, factor: float) -> Size:
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def read_placed(path: Path, frame: Frame, shape: Shape) -> Placed:
    """An image file as the model gets it. Raises UnreadableImage."""
    if shape.size == MODEL:
        return Placed(read_in_frame(path, replace(frame, fit=shape.fit)))

    def least(size: Size) -> int:
        left, top, right, bottom = place(kept(size, shape), frame, shape).box
        return max(frame.size, min(right - left, bottom - top))

    pixels, size = read_sized(path, least, background=frame.background, white=frame.white)
    return put(pixels, size, frame, shape)


def put(pixels: np.ndarray, size: Size, frame: Frame, shape: Shape) -> Placed:
    """A picture as the model gets it.

    Args:
        pixels: uint8 `[H, W, 3]`.
        size: of the picture before its pixels were reduced.
    """
    levels = fit(pixels, frame.size, frame.fit if shape.fit == WHOLE else shape.fit, frame.background)
    if shape.size == MODEL:
        return Placed(levels)
    placement = place(kept(size, shape), frame, shape)
    if placement.canvas == levels.shape[:2] and (shape.fit != WHOLE or size[0] == size[1]):
        return Placed(levels, None, placement)
    picture = Image.fromarray(squared(pixels) if shape.fit == "crop" else pixels)
    left, top, right, bottom = placement.box
    canvas = Image.new("RGB", placement.canvas, frame.background)
    canvas.paste(resized(picture, right - left, bottom - top), (left, top))
    return Placed(levels, np.asarray(canvas), placement)


def kept(size: Size, shape: Shape) -> Size:
    """The size of the part of a picture that is translated."""
    return (min(size), min(size)) if shape.fit == "crop" else size


def squared(pixels: np.ndarray) -> np.ndarray:
    """The central square, as in `data.images.fit`, of `[H, W, ...]`."""
    height, width = pixels.shape[:2]
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return pixels[top : top + side, left : left + side]


def finished(picture: Image.Image, placement: Placement | None) -> Image.Image:
    """The output of a translated canvas."""
    if placement is None:
        return picture
    inner = picture if placement.box == (0, 0, *picture.size) else picture.crop(placement.box)
    return inner if inner.size == placement.output else resized(inner, *placement.output)


def mask_of(path: Path, output: Size, frame: Frame, shape: Shape) -> Image.Image | None:
    """The transparency of an input in the shape of its output, mode L; None for an opaque input.

    Bars beside a padded picture are transparent.

    Raises:
        UnreadableImage: the input cannot be read any more.
    """
    alpha = read_alpha(path, white=frame.white)
    if alpha is None:
        return None
    if shape.size != MODEL or shape.fit != "pad":
        return resized(Image.fromarray(squared(alpha) if shape.fit == "crop" else alpha), *output)
    left, top, right, bottom = place((alpha.shape[1], alpha.shape[0]), frame, shape).box
    mask = Image.new("L", output, 0)
    mask.paste(resized(Image.fromarray(alpha), right - left, bottom - top), (left, top))
    return mask
