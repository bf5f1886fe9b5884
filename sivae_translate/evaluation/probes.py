"""What a simple classifier reads from codes and features: scikit-learn's, on standardised inputs.

A linear one shows what lies open, a small network what lies hidden. Beside each stands chance: what always answering
the commonest label would score. n images, F features.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from sivae_translate.errors import UsageError
from sivae_translate.extras import require

TESTED = 0.2  # share of the images kept from training
STEPS = 300  # of logistic regression
UNITS, BATCH, EPOCHS, WEIGHT_DECAY = 64, 32, 100, 0.01  # of the network
FOLDS = 5
MOST_LABELS = 200  # more take minutes and have few images each


@dataclass(frozen=True)
class ContentLabels:
    """What images show, as their files' names tell.

    Attributes:
        rows: the images that have a label, int64 `[m]`.
        labels: theirs, ranks of the sorted labels, int64 `[m]`.
        numbers: whether all labels are numbers, so that ranks next to each other are neighbours on a circle.
        note: what was left out; empty: nothing.
    """

    rows: np.ndarray
    labels: np.ndarray
    numbers: bool
    note: str = ""


@dataclass(frozen=True)
class Classifier:
    """Logistic regression that names the domain of an image by its features.

    Attributes:
        names: the domains it knows.
        accuracy: on `n_test` real images kept from its training.
        chance: share of the commonest domain.
    """

    names: tuple[str, ...]
    model: Any
    n_train: int
    n_test: int
    accuracy: float
    chance: float

    def share(self, features: np.ndarray, names: Sequence[str]) -> float:
        """How many of images, by their features `[n, F]`, are called the domain `names` gives for each."""
        called = self.model.predict(features)
        return float(np.mean([self.names[index] == name for index, name in zip(called, names, strict=True)]))


def compile_label(pattern: str) -> re.Pattern[str]:
    """A regular expression with a group. Raises UsageError for any other."""
    example = r"expected one with a group, such as --content-label 'az(\d+)'"
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"--content-label {pattern!r} is no regular expression ({error}): {example}") from None
    if not compiled.groups:
        raise UsageError(f"--content-label {pattern!r} has no group: {example}")
    return compiled


def find_labels(names: Sequence[str], pattern: re.Pattern[str] | None) -> list[str | None]:
    """The first group of a search in each name, or where there is no pattern, the name itself.

    Raises:
        UsageError: the pattern is in none of them.
    """
    if pattern is None:
        return list(names)
    found = [match.group(1) if (match := pattern.search(name)) else None for name in names]
    if not any(found):
        raise UsageError(
            f"--content-label {pattern.pattern!r} is in no file's name, such as {names[0]!r}: expected one that is"
        )
    return found


def content_labels(names: Sequence[str], domains: np.ndarray, pattern: re.Pattern[str] | None) -> ContentLabels | None:
    """The labels that at least two images bear, and without a pattern, images of two domains.

    Args:
        names: of the files, without their endings.
        domains: of the images, int64 `[n]`.

    Returns:
        None where fewer than two labels are left.
    """
    found = find_labels(names, pattern)
    homes: dict[str, set[int]] = {}
    for label, domain in zip(found, domains.tolist(), strict=True):
        if label:
            homes.setdefault(label, set()).add(domain)
    counts = Counter(label for label in found if label)
    kept = [label for label in counts if counts[label] > 1 and (pattern or len(homes[label]) > 1)]
    if len(kept) < 2:
        return None
    numbers = all(re.fullmatch(r"-?\d+(\.\d+)?", label) for label in kept)
    kept.sort(key=float if numbers else None)
    kept, every = (
        [kept[i * len(kept) // MOST_LABELS] for i in range(MOST_LABELS)] if len(kept) > MOST_LABELS else kept,
        kept,
    )
    ranks = {label: rank for rank, label in enumerate(kept)}
    rows = np.array([row for row, label in enumerate(found) if label in ranks])
    note = f"{len(kept)} of {len(every)} content labels, evenly spread" if len(kept) < len(every) else ""
    if len(kept) == len(every) and len(rows) < len(found):
        note = f"{len(found) - len(rows)} of {len(found)} images have no content label that recurs"
    return ContentLabels(rows, np.array([ranks[found[row]] for row in rows]), numbers and len(kept) > 3, note)  # type: ignore[index]


def probe(codes: np.ndarray, labels: np.ndarray, seed: int, *, circle: bool = False) -> dict[str, Any]:
    """How well labels can be read from codes, on images that the readers were not trained on.

    Args:
        codes: `[n, F]`.
        labels: int64 `[n]`.
        circle: whether labels are ranks round a circle, so that it also counts how often one is met within a step.

    Returns:
        Numbers of images, dimensions and labels, the seed, chance, and the accuracies of logistic regression and of a
        network with one hidden layer.
    """
    train, test = split(labels, seed)
    many = len(set(labels.tolist()))
    figures: dict[str, Any] = {
        "n_train": len(train), "n_test": len(test), "dimensions": codes.shape[1], "labels": many, "seed": seed,
        "chance": round(commonest(labels), 4),
    }  # fmt: skip
    if circle:
        figures["chance_within_one"] = round(min(1, 3 / many), 4)
    for name, reader in {"logistic": logistic(), "mlp": network(seed)}.items():
        with quiet():
            called = reader.fit(codes[train], labels[train]).predict(codes[test])
        figures[name] = round(float(np.mean(called == labels[test])), 4)
        if circle:
            figures[f"{name}_within_one"] = round(within_one(called, labels[test], many), 4)
    return figures


def within_one(called: np.ndarray, labels: np.ndarray, many: int) -> float:
    """How often a rank of `many` round a circle is met or missed by one, int64 `[n]` both."""
    steps = abs(called - labels) % many
    return float(np.mean(np.minimum(steps, many - steps) <= 1))


def train_classifier(features: np.ndarray, labels: np.ndarray, names: tuple[str, ...], seed: int) -> Classifier:
    """A classifier of domains by features `[n, F]`, `labels` int64 `[n]` into `names`."""
    train, test = split(labels, seed)
    with quiet():
        model = logistic().fit(features[train], labels[train])
    accuracy = float(np.mean(model.predict(features[test]) == labels[test]))
    return Classifier(names, model, len(train), len(test), accuracy, commonest(labels))


def told_apart(translated: np.ndarray, real: np.ndarray, truth: np.ndarray, seed: int) -> float:
    """How well translations are told from real images: logistic regression's balanced accuracy, mean over folds.

    Args:
        translated, real: features `[n, F]` and `[m, F]`.
        truth: the row of `real` that each translation should be, int64 `[n]`; the two share a fold.
    """
    select: Any = require("sklearn.model_selection", "evaluation")
    folds = select.StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    features, groups = np.concatenate([translated, real]), np.concatenate([truth, np.arange(len(real))])
    labels = np.arange(len(features)) < len(translated)
    with quiet():
        scores = select.cross_val_score(
            logistic(), features, labels, groups=groups, cv=folds, scoring="balanced_accuracy"
        )
    return float(scores.mean())


def split(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and to test on, with equal shares of each label where there are images enough."""
    n, counts = len(labels), np.bincount(labels)[np.unique(labels)]
    enough = counts.min() > 1 and int(n * TESTED) >= len(counts)
    train, test = require("sklearn.model_selection", "evaluation").train_test_split(
        np.arange(n), test_size=TESTED, random_state=seed, stratify=labels if enough else None
    )
    return train, test


def logistic() -> Any:
    return standardised(require("sklearn.linear_model", "evaluation").LogisticRegression(max_iter=STEPS))


def network(seed: int) -> Any:
    """One hidden layer. It is not stopped early: of few images each, those kept to tell when stop it far too soon."""
    perceptron = require("sklearn.neural_network", "evaluation").MLPClassifier
    return standardised(perceptron((UNITS,), batch_size=BATCH, max_iter=EPOCHS, alpha=WEIGHT_DECAY, random_state=seed))


def standardised(reader: Any) -> Any:
    scaler = require("sklearn.preprocessing", "evaluation").StandardScaler()
    return require("sklearn.pipeline", "evaluation").make_pipeline(scaler, reader)


def commonest(labels: np.ndarray) -> float:
    """The share of the commonest label."""
    return float(np.bincount(labels).max() / len(labels))


@contextmanager
def quiet() -> Iterator[None]:
    """Without warnings that a reader's steps were spent: they bound the time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
