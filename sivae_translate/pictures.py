"""Pictures for people: many images laid out as one."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

VISIBLE = 96  # pixels; smaller images are enlarged for the eye
ANIMATED = (".gif", ".webp")
FRAME = 100  # milliseconds


def sheet(columns: Sequence[Sequence[np.ndarray]]) -> Image.Image:
    """Columns of uint8 images `[H, W, 3]`, all of one size, as one picture."""
    pixels = np.concatenate([np.concatenate(list(column), axis=0) for column in columns], axis=1)
    scale = max(1, VISIBLE // columns[0][0].shape[0])
    return Image.fromarray(pixels.repeat(scale, 0).repeat(scale, 1))


def contact_sheet(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures of one size in a near square, row by row."""
    width = math.ceil(math.sqrt(len(pictures)))
    blank = np.full_like(np.asarray(pictures[0]), 255)
    images = [np.asarray(picture) for picture in pictures]
    images += [blank] * (-len(images) % width)
    return sheet([images[column::width] for column in range(width)])


def save_frames(frames: Sequence[Image.Image], path: Path) -> None:
    """Write pictures of one size side by side, or where the name is one of `ANIMATED`, as a loop there and back."""
    images = [[np.asarray(frame)] for frame in frames]
    if path.suffix.lower() in ANIMATED:
        first, *rest = (sheet([image]) for image in [*images, *images[-2:0:-1]])
        options = {"save_all": True, "append_images": rest, "duration": FRAME, "loop": 0}
        save_picture(first, path, **options, lossless=True)  # WebP would drop frames that differ little
    else:
        save_picture(sheet(images), path)


def save_picture(picture: Image.Image, path: Path, **options: Any) -> None:
    """Write it in the format its name asks for; what was there before stays until the new one is whole.

    `options` go to Pillow.
    """
    data = io.BytesIO()
    picture.save(data, Image.registered_extensions()[path.suffix.lower()], **options)
    stage = path.with_name(f".tmp-{path.name}")
    try:
        stage.write_bytes(data.getvalue())
        os.replace(stage, path)
    finally:
        stage.unlink(missing_ok=True)
