"""Read an image with as many pixels as are needed, and its own size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from sivae_translate.data.decoding import Size
from sivae_translate.data.images import Colour, open_image, to_rgb
from sivae_translate.data.unreadable import only_unreadable


def read_sized(
    path: Path, least: Callable[[Size], int], *, background: Colour, white: float | None
) -> tuple[np.ndarray, Size]:
    """The image in a file, uint8 `[H, W, 3]`, perhaps reduced, and the (width, height) it has, upright, in the file.

    Args:
        path: the file.
        least: the least length of the shorter side, given the size; see `min_side` of `read_image`. It is the same for
            an image that lies on its side.
        background, white: as in `read_image`.

    Raises:
        UnreadableImage: as `read_image`.
    """
    image = open_image(path)
    size, min_side = image.size, least(image.size)
    with only_unreadable():
        image.draft(None, (min_side, min_side))
    pixels = to_rgb(image, background, white=white, min_side=min_side)
    height, width = pixels.shape[:2]
    # The pixels are upright, and the header is not: of its two sizes, take the one of the same proportions.
    return pixels, min(size, size[::-1], key=lambda each: abs(each[0] * height - each[1] * width))
