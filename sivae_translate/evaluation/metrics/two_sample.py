"""Classifier two-sample test (Lopez-Paz & Oquab 2017, arXiv:1610.06545): translations against their truths."""

from __future__ import annotations

from typing import Any

import numpy as np

from sivae_translate.evaluation.classifiers import logistic_regression, quiet
from sivae_translate.evaluation.metrics.metric import Figure, Metric
from sivae_translate.evaluation.set_distances import MINIMUM
from sivae_translate.evaluation.sets import EvaluationSet, NotMeasuredError, present
from sivae_translate.extras import require

FOLDS = 5


def two_sample(translated: np.ndarray, real: np.ndarray, truth: np.ndarray, seed: int) -> float:
    """Balanced accuracy of a logistic regression that separates translations from real images, mean over folds.

    Args:
        translated, real: features `[n, F]` and `[m, F]`.
        truth: the row of `real` that each translation should be, int64 `[n]`. The two share a fold, as an image's
            twin in the training folds would give its class away.
    """
    select: Any = require("sklearn.model_selection", "evaluation")
    folds = select.StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    features, groups = np.concatenate([translated, real]), np.concatenate([truth, np.arange(len(real))])
    labels = np.arange(len(features)) < len(translated)
    with quiet():
        scores = select.cross_val_score(
            logistic_regression(), features, labels, groups=groups, cv=folds, scoring="balanced_accuracy"
        )
    return float(scores.mean())


def compute(s: EvaluationSet) -> Figure:
    first, truth = present(s.pairs).distinct()
    if len(first) < MINIMUM:
        raise NotMeasuredError(f"fewer than {MINIMUM} distinct truths")
    output, real = s.pair_features["output"].numpy(), s.pair_features["target"][first].numpy()
    accuracy = two_sample(output, real, truth, s.seed)
    details = {"n_real": len(real), "folds": FOLDS, "features": s.extractor.read_as}
    return Figure(accuracy, len(output), {"chance": 0.5}, details)


TWO_SAMPLE = Metric(
    name="two_sample",
    title="classifier two-sample test",
    needs=("pairs",),
    direction="lower",
    ideal=0.5,
    digits=1,
    percent=True,
    baselines=("chance",),
    note=(
        "Balanced accuracy, cross-validated, of a logistic regression that separates translations from their truths. "
        "Chance means that the two cannot be separated."
    ),
    compute=compute,
    modules=("sklearn",),
)
