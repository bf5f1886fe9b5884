"""Readers of codes: near 1 where a label lies open, near chance where it is not there, and what labels there are."""

from __future__ import annotations

import re

import numpy as np
import pytest

from sivae_translate.errors import UsageError
from sivae_translate.evaluation.probes import (
    compile_label,
    content_labels,
    find_labels,
    probe,
    split,
    told_apart,
    train_classifier,
    within_one,
)


def codes(n: int, size: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, size))


# --- probes ---------------------------------------------------------------------------------------------------------


def test_what_lies_open_is_read_and_what_is_not_there_is_not() -> None:
    labels = np.arange(600) % 5
    hidden = probe(codes(600), labels, seed=0)
    opened = probe(codes(600) + 4 * np.eye(8)[labels], labels, seed=0)
    for reader in ("logistic", "mlp"):
        assert opened[reader] > 0.95 and abs(hidden[reader] - 0.2) < 0.12
    sizes = {"n_train": 480, "n_test": 120, "dimensions": 8, "labels": 5, "seed": 0, "chance": 0.2}
    assert sizes.items() <= opened.items() and "logistic_within_one" not in opened


def test_what_is_not_linear_is_the_network_s_to_read() -> None:
    x = codes(1600, 2)
    found = probe(x, (np.linalg.norm(x, axis=1) > 1.18).astype(int), seed=0)
    assert found["mlp"] > 0.9 > 0.65 > found["logistic"]


def test_the_scale_of_a_dimension_does_not_matter() -> None:
    labels = np.arange(300) % 3
    x = codes(300) + 2 * np.eye(8)[labels]
    found = probe(x, labels, seed=0)["logistic"]
    assert probe(x * 10.0 ** np.arange(-4, 4), labels, seed=0)["logistic"] == pytest.approx(found, abs=0.02)


def test_many_labels_of_few_images_are_read_too() -> None:
    labels = np.repeat(np.arange(60), 5)
    found = probe(codes(300, 64) + 6 * np.eye(64)[labels], labels, seed=0)
    assert found["chance"] == pytest.approx(1 / 60, abs=1e-4) and found["logistic"] > 0.9
    pairs = np.repeat(np.arange(50), 2)  # too few to keep one of each
    assert probe(codes(100), pairs, seed=0)["logistic"] < 0.2


def test_chance_is_the_commonest_label() -> None:
    found = probe(codes(200), (np.arange(200) % 10 == 0).astype(int), seed=0)
    assert found["chance"] == 0.9 and found["logistic"] == pytest.approx(0.9, abs=0.05)


def test_the_split_is_seeded_and_even() -> None:
    labels = np.repeat(np.arange(4), 25)
    train, test = split(labels, 3)
    assert sorted([*train, *test]) == list(range(100)) and np.bincount(labels[test]).tolist() == [5, 5, 5, 5]
    assert np.array_equal(split(labels, 3)[1], test) and not np.array_equal(split(labels, 4)[1], test)


# --- round the circle -----------------------------------------------------------------------------------------------


def test_one_step_round_the_circle_counts_as_met() -> None:
    truth = np.array([0, 0, 0, 0, 5, 5, 3])
    called = np.array([0, 1, 7, 2, 4, 7, 3])
    assert within_one(called, truth, 8) == pytest.approx(5 / 7)
    angle = np.arange(960) % 24
    x = np.stack([np.cos(angle * np.pi / 12), np.sin(angle * np.pi / 12)], 1) + 0.1 * codes(960, 2)
    found = probe(x, angle, seed=0, circle=True)
    assert found["chance_within_one"] == 3 / 24 and found["mlp_within_one"] > 0.95 > found["mlp"]
    blind = probe(codes(960), angle, seed=0, circle=True)
    assert abs(blind["logistic_within_one"] - 3 / 24) < 0.07


# --- content labels -------------------------------------------------------------------------------------------------

NAMES = ["a_az9", "b_az10", "c_az9", "d_az10", "e_az11", "other"]
DOMAINS = np.array([0, 0, 1, 1, 1, 0])


def test_labels_are_found_in_names_and_numbers_are_sorted_as_such() -> None:
    found = content_labels(NAMES, DOMAINS, compile_label(r"az(\d+)"))
    assert found is not None and found.rows.tolist() == [0, 1, 2, 3] and found.labels.tolist() == [0, 1, 0, 1]
    assert "2 of 6 images have no content label" in found.note and not found.numbers  # a circle of two is none
    four = [f"x{i % 4 + 8}" for i in range(8)]
    found = content_labels(four, np.arange(8) // 4, compile_label(r"x(\d+)"))
    assert found is not None and found.labels.tolist() == [0, 1, 2, 3] * 2 and found.numbers and not found.note


def test_without_a_pattern_names_must_recur_across_domains() -> None:
    found = content_labels(["u", "v", "w", "u", "v", "z"], np.array([0, 0, 0, 1, 1, 1]), None)
    assert found is not None and found.rows.tolist() == [0, 1, 3, 4] and found.labels.tolist() == [0, 1, 0, 1]
    assert content_labels(["u", "u", "v", "v"], np.array([0, 0, 1, 1]), None) is None
    assert content_labels(["u", "v", "u", "w"], np.array([0, 0, 1, 1]), None) is None  # a single label


def test_more_labels_than_can_be_told_are_thinned() -> None:
    found = content_labels([f"n{i % 500}" for i in range(1000)], np.arange(1000) // 500, None)
    assert found is not None and len(set(found.labels.tolist())) == 200 and len(found.rows) == 400
    assert found.note == "200 of 500 content labels, evenly spread"


@pytest.mark.parametrize(
    ("pattern", "said"), [("az(", "is no regular expression"), ("az", "has no group"), (r"(\d{9})", "is in no file")]
)
def test_useless_patterns_are_refused(pattern: str, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"--content-label {pattern!r} {said}")):
        find_labels(NAMES, compile_label(pattern))


# --- classifiers ----------------------------------------------------------------------------------------------------


def test_a_classifier_says_how_well_it_tells_and_what_it_calls_translations() -> None:
    labels = np.arange(100) % 2
    classifier = train_classifier(codes(100) + 6 * labels[:, None], labels, ("cat", "dog"), seed=0)
    assert classifier.accuracy == 1 and (classifier.n_train, classifier.n_test, classifier.chance) == (80, 20, 0.5)
    new = codes(4, seed=1) + 6 * np.array([0, 1, 1, 1])[:, None]
    assert classifier.share(new, ["dog"] * 4) == 0.75
    assert classifier.share(new, ["cat", "dog", "cat", "dog"]) == 0.75
    assert train_classifier(codes(400), np.arange(400) % 2, ("a", "b"), seed=0).accuracy == pytest.approx(0.5, abs=0.15)


def test_translations_are_told_from_real_images_only_where_they_differ() -> None:
    truth, real = np.arange(200) % 150, codes(150)
    assert told_apart(codes(200, seed=1) + 5, real, truth, seed=0) > 0.97
    assert told_apart(codes(200, seed=1), real, truth, seed=0) == pytest.approx(0.5, abs=0.1)


def test_a_translation_shares_its_fold_with_its_truth() -> None:
    real = 1000.0 * np.eye(60)
    half = real[:30]  # translations that are their truths: without the groups each gives the other away
    assert told_apart(half, real, np.arange(30), seed=0) == pytest.approx(0.5, abs=0.01)
