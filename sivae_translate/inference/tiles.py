"""Overlapping squares that cover a canvas, and their translations blended into one picture.

Group norms make the colours of a square depend on all of it, so neighbours differ a little. In the overlap the picture
goes over from one to the other in a linear ramp. All squares of a picture have one style.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np

OVERLAP = 4  # a square shares at least its OVERLAP-th part with each neighbour


def starts(length: int, size: int) -> list[int]:
    """Where squares of a size begin that cover a side of a length, at least `size`: the fewest, at even distances."""
    step = size - size // OVERLAP
    count = 1 + -(-(length - size) // step)
    return [i * (length - size) // max(1, count - 1) for i in range(count)]


def count(canvas: np.ndarray, size: int) -> int:
    """The number of squares that cover a canvas `[H, W, 3]`."""
    height, width = canvas.shape[:2]
    return len(starts(height, size)) * len(starts(width, size))


def squares(canvas: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """The squares `[size, size, 3]` that cover a canvas `[H, W, 3]`, row by row, as views of it."""
    height, width = canvas.shape[:2]
    for top in starts(height, size):
        for left in starts(width, size):
            yield canvas[top : top + size, left : left + size]


def ramps(length: int, size: int) -> np.ndarray:
    """Weights of the squares along a side, float32 `[n, size]`; those of each pixel of the side have the sum 1.

    They fall linearly from the middle of a square, so that a pixel comes mostly from the square it lies deepest in.
    """
    places = starts(length, size)
    depth = np.minimum(np.arange(size), np.arange(size)[::-1]) + 0.5
    total = np.zeros(length)
    for start in places:
        total[start : start + size] += depth
    return np.stack([depth / total[start : start + size] for start in places]).astype(np.float32)


def blended(translations: Iterable[np.ndarray], width: int, height: int, size: int) -> np.ndarray:
    """The canvas uint8 `[height, width, 3]` of the translations of its `squares`.

    A band as high as a square is held in floats; the rows above it are finished.

    Args:
        translations: float32 `[size, size, 3]` in [0, 1], in the order of `squares`.
        width, height: of the canvas.
        size: of a square.
    """
    each, columns = iter(translations), starts(width, size)
    result, band = np.empty((height, width, 3), np.uint8), np.zeros((size, width, 3), np.float32)
    across, down = ramps(width, size)[:, None, :, None], ramps(height, size)[:, :, None, None]
    for row, (top, following) in zip(down, pairwise([*starts(height, size), height]), strict=True):
        for column, left in zip(across, columns, strict=True):
            band[:, left : left + size] += row * column * next(each)
        done = following - top
        result[top:following] = np.rint(band[:done].clip(0, 1) * 255)
        band[: size - done] = band[done:].copy()
        band[size - done :] = 0
    return result
