"""Structural similarity of translations to their truths (Wang et al. 2004)."""

from __future__ import annotations

from functools import partial

import numpy as np
from skimage.metrics import structural_similarity

from sivae_translate.evaluation.metrics.metric import Metric, mean_over_pairs


def ssim(images: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """SSIM of uint8 images `[n, H, W, 3]` -> float64 `[n]`, at most 1: uniform 7 x 7 windows, mean over channels."""
    pairs = zip(images, truths, strict=True)
    return np.array([structural_similarity(a, b, channel_axis=2, data_range=255) for a, b in pairs])


SSIM = Metric(
    name="ssim",
    title="SSIM",
    needs=("pairs",),
    direction="higher",
    ideal=1.0,
    digits=3,
    baselines=("copy_content", "copy_style"),
    note="Structural similarity to the known truth in 7 x 7 windows, mean over pairs.",
    compute=partial(mean_over_pairs, compare=ssim),
)
