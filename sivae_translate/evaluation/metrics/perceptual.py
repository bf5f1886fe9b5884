"""Perceptual distance of translations to their truths: LPIPS, or the same idea in a random VGG-16."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sivae_translate.evaluation.metrics.metric import Figure, Metric, mean_over_pairs
from sivae_translate.evaluation.perceptual import stack
from sivae_translate.evaluation.sets import BATCH, EvaluationSet


def compute(s: EvaluationSet) -> Figure:
    def compare(images: np.ndarray, truths: np.ndarray) -> np.ndarray:
        rows = (slice(i, i + BATCH) for i in range(0, len(images), BATCH))
        return np.concatenate([s.perceptual(stack(images[row]), stack(truths[row])).numpy() for row in rows])

    return mean_over_pairs(s, compare)


LPIPS = Metric(
    name="lpips",
    title="LPIPS",
    needs=("pairs", "lpips"),
    direction="lower",
    ideal=0.0,
    digits=4,
    baselines=("copy_content", "copy_style"),
    note="Distance to the known truth in AlexNet's features, mean over pairs.",
    compute=compute,
)

PERCEPTUAL_RANDOM_VGG16 = replace(
    LPIPS,
    name="perceptual_random_vgg16",
    title="perceptual (random VGG-16)",
    needs=("pairs", "perceptual_random_vgg16"),
    note=(
        "Distance to the known truth in the features of a VGG-16 with random weights, mean over pairs. "
        "It does not compare with LPIPS."
    ),
)
