"""Gradient ratio: the strength of edges in translations, relative to that in their truths."""

from __future__ import annotations

import numpy as np

from sivae_translate.evaluation.metrics.metric import Figure, Metric
from sivae_translate.evaluation.sets import EvaluationSet, NotMeasuredError, present


def mean_gradient(images: np.ndarray) -> float:
    """Mean absolute difference of neighbouring pixels, across and down, of uint8 `[n, H, W, 3]`, in levels of 255."""
    return float(np.mean([gradient(image.astype(np.float64)) for image in images]))


def gradient(image: np.ndarray) -> float:
    return float(np.abs(np.diff(image, axis=0)).mean() + np.abs(np.diff(image, axis=1)).mean()) / 2


def compute(s: EvaluationSet) -> Figure:
    images = present(s.pairs).images
    truth = mean_gradient(images["target"])
    if not truth:
        raise NotMeasuredError("the truths are of one colour each")
    output, content, style = (mean_gradient(images[column]) / truth for column in ("output", "content", "style"))
    return Figure(output, len(images["output"]), {"copy_content": content, "copy_style": style})


GRADIENT_RATIO = Metric(
    name="gradient_ratio",
    title="gradient ratio",
    needs=("pairs",),
    direction="ideal",
    ideal=1.0,
    digits=3,
    baselines=("copy_content", "copy_style"),
    note="Mean absolute gradient of translations over that of their truths. Below 1 is blur, above 1 is noise.",
    compute=compute,
)
