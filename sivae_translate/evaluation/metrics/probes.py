"""Probes for leakage: the accuracy of classifiers that read the domain or a content label from a code.

Domain read from content, or a content label read from style, is a leak. Sampled codes contain the posterior's noise, as
in training of the decoder. Accuracies are on held-out images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sivae_translate.evaluation.classifiers import logistic_regression, majority, mlp, quiet, split
from sivae_translate.evaluation.metrics.metric import Figure, Metric
from sivae_translate.evaluation.sets import EvaluationSet, present
from sivae_translate.types import Gaussian


def probe(codes: np.ndarray, labels: np.ndarray, seed: int, *, circular: bool = False) -> Figure:
    """Accuracy of a logistic regression and of an MLP on held-out images; the value is the MLP's.

    Args:
        codes: `[n, F]`.
        labels: int64 `[n]`.
        circular: whether labels are ranks on a circle; then accuracies within one step are added.
    """
    train, test = split(labels, seed)
    classes = len(set(labels.tolist()))
    exact, within = list[Figure](), list[Figure]()
    for name, classifier in {"logistic regression": logistic_regression(), "MLP": mlp(seed)}.items():
        with quiet():
            predicted = classifier.fit(codes[train], labels[train]).predict(codes[test])
        accuracy = float(np.mean(predicted == labels[test]))
        exact.append(Figure(accuracy, len(labels), {"chance": majority(labels)}, name=name))
        if circular:
            accuracy, chance = within_one(predicted, labels[test], classes), min(1, 3 / classes)
            within.append(Figure(accuracy, len(labels), {"chance": chance}, name=f"{name}, within one step"))
    details: dict[str, Any] = {
        "n_train": len(train), "n_test": len(test), "dimensions": codes.shape[1], "labels": classes,
    }  # fmt: skip
    return replace(exact[-1], name="", details=details, each=(*exact, *within))


def within_one(predicted: np.ndarray, labels: np.ndarray, classes: int) -> float:
    """Fraction of ranks on a circle of `classes` that are predicted exactly or off by one, int64 `[n]` both."""
    steps = abs(predicted - labels) % classes
    return float(np.mean(np.minimum(steps, classes - steps) <= 1))


Code = Callable[[Gaussian, int], Tensor]
"""A code `[n, ...]` of a posterior, by a seed."""


def mean(posterior: Gaussian, seed: int) -> Tensor:
    return posterior.mean


def sampled(posterior: Gaussian, seed: int) -> Tensor:
    return posterior.sample(torch.randn(posterior.mean.shape, generator=torch.Generator().manual_seed(seed)))


def domain_from_content(s: EvaluationSet, *, code: Code) -> Figure:
    real = s.large_domains
    return probe(code(real.content, s.seed).flatten(1).numpy(), real.labels, s.seed)


def label_from(s: EvaluationSet, *, part: str, code: Code) -> Figure:
    labels = s.labels
    codes = code(getattr(present(s.domains), part), s.seed).flatten(1).numpy()
    return probe(codes[labels.rows], labels.labels, s.seed, circular=labels.circular)


DOMAIN_FROM_CONTENT = Metric(
    name="domain_from_content",
    title="domain from content",
    needs=("domains",),
    direction="lower",
    ideal=None,
    digits=1,
    percent=True,
    baselines=("chance",),
    note="Accuracy of an MLP that reads the domain from an image's mean content. Above chance, content leaks domain.",
    compute=partial(domain_from_content, code=mean),
    modules=("sklearn",),
)

DOMAIN_FROM_SAMPLED_CONTENT = replace(
    DOMAIN_FROM_CONTENT,
    name="domain_from_sampled_content",
    title="domain from sampled content",
    note="Accuracy of an MLP that reads the domain from content with the posterior's noise, as the decoder does.",
    compute=partial(domain_from_content, code=sampled),
)

LABEL_FROM_STYLE = replace(
    DOMAIN_FROM_CONTENT,
    name="label_from_style",
    title="content label from style",
    note="Accuracy of an MLP that reads the content label from the mean style. Above chance, style leaks content.",
    compute=partial(label_from, part="style", code=mean),
)

LABEL_FROM_SAMPLED_STYLE = replace(
    LABEL_FROM_STYLE,
    name="label_from_sampled_style",
    title="content label from sampled style",
    note="Accuracy of an MLP that reads the content label from style with the posterior's noise.",
    compute=partial(label_from, part="style", code=sampled),
)

LABEL_FROM_CONTENT = replace(
    LABEL_FROM_STYLE,
    name="label_from_content",
    title="content label from content",
    direction="higher",
    note="Accuracy of an MLP that reads the content label from the mean content, which should hold it.",
    compute=partial(label_from, part="content", code=mean),
)
