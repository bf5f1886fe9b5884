"""Peak signal-to-noise ratio of translations against their truths."""

from __future__ import annotations

from functools import partial

import numpy as np
from skimage.metrics import peak_signal_noise_ratio

from sivae_translate.evaluation.metrics.metric import Metric, mean_over_pairs

IDENTICAL = 100.0  # dB, in place of infinity


def psnr(images: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """PSNR in dB of uint8 images `[n, H, W, 3]` -> float64 `[n]`; `IDENTICAL` for identical images."""
    pairs = zip(images, truths, strict=True)
    return np.array([peak_signal_noise_ratio(b, a) if (a != b).any() else IDENTICAL for a, b in pairs])


PSNR = Metric(
    name="psnr",
    title="PSNR, dB",
    needs=("pairs",),
    direction="higher",
    ideal=IDENTICAL,
    digits=2,
    baselines=("copy_content", "copy_style"),
    note="Peak signal-to-noise ratio to the known truth, mean over pairs.",
    compute=partial(mean_over_pairs, compare=psnr),
)
