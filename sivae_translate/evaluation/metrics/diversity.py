"""Diversity of translations of one image under styles drawn from a domain's prior (StarGAN v2, arXiv:1912.01865)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sivae_translate.evaluation.metrics.metric import Figure, Metric, mean_of
from sivae_translate.evaluation.sets import EvaluationSet, NotMeasuredError


def compute(s: EvaluationSet) -> Figure:
    """Mean over target domains, content images and pairs of styles."""
    each = []
    for variations in s.variations:
        value = float(np.mean([s.perceptual.pairwise(images) for images in variations.translations]))
        real = s.perceptual.pairwise(variations.real)
        each.append(Figure(value, len(variations.translations), {"real": real}, name=f"to {variations.target}"))
    if not each:
        raise NotMeasuredError("the model knows none of these domains by name")
    return mean_of(each, styles=len(s.variations[0].translations[0]))


DIVERSITY_LPIPS = Metric(
    name="diversity_lpips",
    title="diversity, LPIPS",
    needs=("domains", "lpips"),
    direction="higher",
    ideal=None,
    digits=4,
    baselines=("real",),
    note=(
        "Mean LPIPS between translations of one image under styles drawn from a domain's prior. "
        "Real images of the domain, beside it, differ in content too."
    ),
    compute=compute,
)

DIVERSITY_RANDOM_VGG16 = replace(
    DIVERSITY_LPIPS,
    name="diversity_random_vgg16",
    title="diversity, perceptual (random VGG-16)",
    needs=("domains", "perceptual_random_vgg16"),
    note=(
        "Mean distance, in the features of a VGG-16 with random weights, between translations of one image under "
        "styles drawn from a domain's prior. Real images of the domain, beside it, differ in content too."
    ),
)
