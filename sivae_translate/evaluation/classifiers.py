"""Classifiers on codes and features, by scikit-learn: standardised inputs and a seeded split."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from sivae_translate.extras import require

TEST_FRACTION = 0.2
STEPS = 300  # of logistic regression
UNITS, BATCH, EPOCHS, WEIGHT_DECAY = 64, 32, 100, 0.01  # of the MLP


@dataclass(frozen=True)
class DomainClassifier:
    """Logistic regression from an image's features to its domain, trained on real images.

    Attributes:
        names: domains of the training images.
        model: the fitted scikit-learn pipeline.
        n_train, n_test: real images it was trained on, and those held out.
        accuracy: on the held-out real images, in [0, 1].
        chance: frequency of the most frequent domain.
    """

    names: tuple[str, ...]
    model: Any
    n_train: int
    n_test: int
    accuracy: float
    chance: float

    def accuracy_on(self, features: np.ndarray, names: Sequence[str]) -> float:
        """Fraction of images, by their features `[n, F]`, that are assigned the domain given for each."""
        predicted = self.model.predict(features)
        return float(np.mean([self.names[index] == name for index, name in zip(predicted, names, strict=True)]))


def train_domain_classifier(
    features: np.ndarray, labels: np.ndarray, names: tuple[str, ...], seed: int
) -> DomainClassifier:
    """A domain classifier from features `[n, F]` and labels, int64 `[n]` into `names`."""
    train, test = split(labels, seed)
    with quiet():
        model = logistic_regression().fit(features[train], labels[train])
    accuracy = float(np.mean(model.predict(features[test]) == labels[test]))
    return DomainClassifier(names, model, len(train), len(test), accuracy, majority(labels))


def split(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Training rows and test rows of labels, int64 `[n]`; stratified where every label can be in both."""
    n, counts = len(labels), np.bincount(labels)[np.unique(labels)]
    enough = counts.min() > 1 and int(n * TEST_FRACTION) >= len(counts)
    train, test = require("sklearn.model_selection", "evaluation").train_test_split(
        np.arange(n), test_size=TEST_FRACTION, random_state=seed, stratify=labels if enough else None
    )
    return train, test


def logistic_regression() -> Any:
    return standardised(require("sklearn.linear_model", "evaluation").LogisticRegression(max_iter=STEPS))


def mlp(seed: int) -> Any:
    """An MLP with one hidden layer. Early stopping stays off: with few images per label it stops far too soon."""
    perceptron = require("sklearn.neural_network", "evaluation").MLPClassifier
    return standardised(perceptron((UNITS,), batch_size=BATCH, max_iter=EPOCHS, alpha=WEIGHT_DECAY, random_state=seed))


def standardised(classifier: Any) -> Any:
    scaler = require("sklearn.preprocessing", "evaluation").StandardScaler()
    return require("sklearn.pipeline", "evaluation").make_pipeline(scaler, classifier)


def majority(labels: np.ndarray) -> float:
    """Frequency of the most frequent label: the accuracy of a constant prediction."""
    return float(np.bincount(labels).max() / len(labels))


@contextmanager
def quiet() -> Iterator[None]:
    """Silences scikit-learn's warnings of non-convergence: the steps bound the time on purpose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
