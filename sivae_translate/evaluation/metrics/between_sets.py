"""Distances between sets of images: translations to their truths, and to the real images of their target domain."""

from __future__ import annotations

from functools import cache

from torch import Tensor

from sivae_translate.evaluation.metrics.metric import Figure, mean_of
from sivae_translate.evaluation.set_distances import MINIMUM, distance, halves
from sivae_translate.evaluation.sets import EvaluationSet, NotMeasuredError, present
from sivae_translate.models.random_vgg16 import centred


def to_truths(s: EvaluationSet, *, name: str) -> Figure:
    """Distance from all translations of pairs to the distinct truths; `name` is a distance of `set_distances`."""
    first, _ = present(s.pairs).distinct()
    if len(first) < MINIMUM:
        raise NotMeasuredError(f"fewer than {MINIMUM} distinct truths")
    truths = s.pair_features["target"][first]
    real = comparable(s, truths, truths)
    output, content = (comparable(s, s.pair_features[column], truths) for column in ("output", "content"))
    value, details = distance(output, real, name, s.seed)
    baselines = {
        "copy_content": distance(content, real, name, s.seed)[0],
        "half_split": distance(*halves(real, s.seed), name, s.seed)[0],
    }
    return Figure(value, len(output), baselines, {**details, "n_real": len(real)})


def to_target_domains(s: EvaluationSet, *, name: str) -> Figure:
    """Mean over domain pairs of the distance from translations to real images of the target domain.

    The features of all real images give one common unit.
    """
    real, every = s.large_domains, s.large_domains.features

    @cache
    def features_of(domain: str) -> Tensor:
        return comparable(s, every[real.rows(domain)], every)

    @cache
    def half_split(domain: str) -> float:
        return distance(*halves(features_of(domain), s.seed), name, s.seed)[0]

    each = []
    for pair in s.domain_pairs:
        source, target = features_of(pair.source), features_of(pair.target)
        if min(len(source), len(target)) < MINIMUM:
            continue
        value, details = distance(comparable(s, pair.features, every), target, name, s.seed)
        copy = distance(source, target, name, s.seed)[0]
        baselines = {"copy_content": copy, "half_split": half_split(pair.target)}
        each.append(Figure(value, len(pair.features), baselines, {**details, "n_real": len(target)}, pair.name))
    if not each:
        raise NotMeasuredError(f"no domain pair of the model has {MINIMUM} images on both sides")
    return mean_of(each)


def comparable(s: EvaluationSet, features: Tensor, real: Tensor) -> Tensor:
    """The features `[n, F]` that sets are compared in, in the unit of the real images' where the extractor has none."""
    kept = slice(None, s.extractor.compared)
    return centred(features[:, kept], real[:, kept]) if s.extractor.to_centre else features
