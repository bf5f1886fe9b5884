"""Probes: near 1 for a label that is in the code, near chance for any other."""

from __future__ import annotations

import numpy as np
import pytest

from sivae_translate.evaluation.metrics.metric import Figure
from sivae_translate.evaluation.metrics.probes import probe, within_one

LOGISTIC, MLP = "logistic regression", "MLP"


def codes(n: int, size: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, size))


def accuracy(figure: Figure, name: str) -> float:
    return next(part.value for part in figure.each if part.name == name)


def test_a_probe_reads_a_label_that_is_in_the_code_and_no_other() -> None:
    labels = np.arange(600) % 5
    hidden = probe(codes(600), labels, seed=0)
    opened = probe(codes(600) + 4 * np.eye(8)[labels], labels, seed=0)
    for name in (LOGISTIC, MLP):
        assert accuracy(opened, name) > 0.95 and abs(accuracy(hidden, name) - 0.2) < 0.12
    assert opened.details == {"n_train": 480, "n_test": 120, "dimensions": 8, "labels": 5}
    assert opened.value == accuracy(opened, MLP) and opened.baselines == {"chance": 0.2} and len(opened.each) == 2


def test_a_label_that_is_not_linear_is_read_by_the_mlp() -> None:
    x = codes(1600, 2)
    found = probe(x, (np.linalg.norm(x, axis=1) > 1.18).astype(int), seed=0)
    assert accuracy(found, MLP) > 0.9 > 0.65 > accuracy(found, LOGISTIC)


def test_the_scale_of_a_dimension_does_not_matter() -> None:
    labels = np.arange(300) % 3
    x = codes(300) + 2 * np.eye(8)[labels]
    found = accuracy(probe(x, labels, seed=0), LOGISTIC)
    scaled = probe(x * 10.0 ** np.arange(-4, 4), labels, seed=0)
    assert accuracy(scaled, LOGISTIC) == pytest.approx(found, abs=0.02)


def test_many_labels_of_few_images_are_read() -> None:
    labels = np.repeat(np.arange(60), 5)
    found = probe(codes(300, 64) + 6 * np.eye(64)[labels], labels, seed=0)
    assert found.baselines["chance"] == pytest.approx(1 / 60) and accuracy(found, LOGISTIC) > 0.9
    pairs = np.repeat(np.arange(50), 2)  # too few to keep one of each
    assert accuracy(probe(codes(100), pairs, seed=0), LOGISTIC) < 0.2


def test_chance_is_the_frequency_of_the_most_frequent_label() -> None:
    found = probe(codes(200), (np.arange(200) % 10 == 0).astype(int), seed=0)
    assert found.baselines["chance"] == 0.9 and accuracy(found, LOGISTIC) == pytest.approx(0.9, abs=0.05)


def test_one_step_on_the_circle_counts_within_one() -> None:
    truth = np.array([0, 0, 0, 0, 5, 5, 3])
    predicted = np.array([0, 1, 7, 2, 4, 7, 3])
    assert within_one(predicted, truth, 8) == pytest.approx(5 / 7)
    angle = np.arange(960) % 24
    x = np.stack([np.cos(angle * np.pi / 12), np.sin(angle * np.pi / 12)], 1) + 0.1 * codes(960, 2)
    found = probe(x, angle, seed=0, circular=True)
    within = next(part for part in found.each if part.name == f"{MLP}, within one step")
    assert within.baselines == {"chance": 3 / 24} and within.value > 0.95 > found.value
    blind = probe(codes(960), angle, seed=0, circular=True)
    assert abs(accuracy(blind, f"{LOGISTIC}, within one step") - 3 / 24) < 0.07
