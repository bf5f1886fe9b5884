"""Pictures: tensors as PIL images, several images in one picture, pictures as files."""

from __future__ import annotations

import io
import math
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from sivae_translate.video import FORMATS, save_video

VISIBLE = 96  # pixels; smaller images are enlarged
SMALLEST_TEXT = 13  # pixels
MARGIN = 8  # pixels on both sides of a label
ANIMATED = (".gif", ".webp")
FRAME = 100  # milliseconds
VIDEO_RATE = 24  # frames a second


def to_pictures(x: Tensor) -> list[Image.Image]:
    """Images `[B, 3, H, W]` as B PIL images of mode RGB, clamped to [0, 1] and rounded to 8 bits; NaN is black."""
    pixels = (
        (x.detach().float().nan_to_num(0).clamp(0, 1) * 255)
        .round()
        .byte()
        .permute(0, 2, 3, 1)
        .contiguous()
        .cpu()
        .numpy()
    )
    return [Image.fromarray(image) for image in pixels]


def sheet(columns: Sequence[Sequence[np.ndarray | Image.Image]], labels: Sequence[str] | None = None) -> Image.Image:
    """Columns of images as one picture; images below `VISIBLE` pixels are enlarged by a whole factor.

    Args:
        columns: lists of equal length, from top to bottom, of PIL images or uint8 `[H, W, 3]`, all of one size.
        labels: one for each row, written to the left of the row.
    """
    if labels is not None and len(labels) != len(columns[0]):
        raise ValueError(f"{len(labels)} labels for {len(columns[0])} rows")
    stacked = [np.concatenate([np.asarray(image) for image in column]) for column in columns]
    pixels = np.concatenate(stacked, axis=1)
    scale = max(1, VISIBLE // np.asarray(columns[0][0]).shape[0])
    picture = Image.fromarray(pixels.repeat(scale, 0).repeat(scale, 1))
    return picture if labels is None else labelled(picture, labels)


def labelled(picture: Image.Image, labels: Sequence[str]) -> Image.Image:
    """A picture of rows of equal height, with the label of each row in a white margin on the left."""
    row = picture.height / len(labels)
    font = ImageFont.load_default(max(SMALLEST_TEXT, row / 8))
    margin = math.ceil(max(font.getlength(label) for label in labels)) + 2 * MARGIN
    canvas = Image.new("RGB", (margin + picture.width, picture.height), "white")
    canvas.paste(picture, (margin, 0))
    draw = ImageDraw.Draw(canvas)
    for i, label in enumerate(labels):
        draw.text((margin - MARGIN, (i + 0.5) * row), label, "black", font, anchor="rm")
    return canvas


def contact_sheet(pictures: Sequence[Image.Image], columns: int | None = None) -> Image.Image:
    """Pictures of one size row by row, in `columns` columns. None: as many columns as rows, or one more."""
    width = columns or math.ceil(math.sqrt(len(pictures)))
    blank = Image.new("RGB", pictures[0].size, "white")
    filled = [*pictures, *[blank] * (-len(pictures) % width)]
    return sheet([filled[column::width] for column in range(width)])


def save_frames(frames: Sequence[Image.Image], path: Path) -> None:
    """Write pictures of one size side by side. For an animation or a video, write a loop forwards and backwards.

    Raises:
        UsageError: a video, and no PyAV.
    """
    if path.suffix.lower() in FORMATS:
        save_video([sheet([[frame]]) for frame in [*frames, *frames[-2:0:-1]]], path, VIDEO_RATE)
    elif path.suffix.lower() in ANIMATED:
        first, *rest = (sheet([[frame]]) for frame in [*frames, *frames[-2:0:-1]])
        options = {"save_all": True, "append_images": rest, "duration": FRAME, "loop": 0}
        save_picture(first, path, **options, lossless=True)  # lossy WebP merges frames that differ little
    else:
        save_picture(sheet([[frame] for frame in frames]), path)


def save_picture(picture: Image.Image, path: Path, **options: Any) -> None:
    """Write a picture atomically, in the format of its suffix; `options` go to Pillow.

    An existing file of that name is replaced only by a complete one.
    """
    data = picture_bytes(picture, Image.registered_extensions()[path.suffix.lower()], **options)
    temporary = path.with_name(f".tmp-{secrets.token_hex(8)}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def picture_bytes(picture: Image.Image, format: str, **options: Any) -> bytes:
    """A picture as the contents of a file in one of Pillow's formats; `options` go to Pillow."""
    data = io.BytesIO()  # Pillow's own writing to a file can hide the system's error
    picture.save(data, format, **options)
    return data.getvalue()
