"""The edges of images, and how far those of two images agree."""

from __future__ import annotations

import numpy as np
from skimage.color import rgb2gray
from skimage.filters import gaussian, sobel

BLUR = 1.0  # pixels; edges a pixel apart still agree


def edge_agreement(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Pearson correlation of the strength of edges over the pixels, image by image.

    The strength is the Sobel magnitude of the grey image, blurred. It ignores colours, and the sign of a contrast.

    Args:
        images, others: uint8 `[n, H, W, 3]`.

    Returns:
        float64 `[n]` in -1..1: 1 for an image with itself, 0 where either image is of one colour.
    """
    return np.array([correlation(edges(a), edges(b)) for a, b in zip(images, others, strict=True)])


def edges(image: np.ndarray) -> np.ndarray:
    """Strength of edges of uint8 `[H, W, 3]`, float64 `[H, W]`."""
    blurred: np.ndarray = gaussian(sobel(rgb2gray(image)), BLUR)
    return blurred


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    scale = np.linalg.norm(a) * np.linalg.norm(b)
    return float((a * b).sum() / scale) if scale > 1e-12 else 0.0
