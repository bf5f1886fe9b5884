"""The domain classifier and the split of real images."""

from __future__ import annotations

import numpy as np
import pytest

from sivae_translate.evaluation.classifiers import split, train_domain_classifier


def codes(n: int, size: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, size))


def test_the_split_is_seeded_and_even() -> None:
    labels = np.repeat(np.arange(4), 25)
    train, test = split(labels, 3)
    assert sorted([*train, *test]) == list(range(100)) and np.bincount(labels[test]).tolist() == [5, 5, 5, 5]
    assert np.array_equal(split(labels, 3)[1], test) and not np.array_equal(split(labels, 4)[1], test)


def test_a_domain_classifier_states_its_accuracy_and_assigns_new_images() -> None:
    labels = np.arange(100) % 2
    classifier = train_domain_classifier(codes(100) + 6 * labels[:, None], labels, ("cat", "dog"), seed=0)
    assert classifier.accuracy == 1 and (classifier.n_train, classifier.n_test, classifier.chance) == (80, 20, 0.5)
    new = codes(4, seed=1) + 6 * np.array([0, 1, 1, 1])[:, None]
    assert classifier.accuracy_on(new, ["dog"] * 4) == 0.75
    assert classifier.accuracy_on(new, ["cat", "dog", "cat", "dog"]) == 0.75
    assert train_domain_classifier(codes(400), np.arange(400) % 2, ("a", "b"), seed=0).accuracy == pytest.approx(
        0.5, abs=0.15
    )
