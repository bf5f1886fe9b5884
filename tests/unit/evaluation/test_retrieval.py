"""Retrieval and sharpness on sets made to be checked by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from sivae_translate.evaluation import retrieval
from sivae_translate.evaluation.extractors import Extractor, centred
from sivae_translate.evaluation.fidelity import distance
from sivae_translate.evaluation.retrieval import Rows, by_folder, chance, top1
from sivae_translate.evaluation.retrieval import retrieval as retrieve
from sivae_translate.evaluation.sharpness import gradient, sets

A1, A2, A3, B1 = (Path(name) for name in ("a/1", "a/2", "a/3", "b/1"))
TARGETS = [A1, A2, B1, A1, A3]


def rows(values: Sequence[Sequence[float]]) -> Rows:
    return lambda chosen: np.array([values[row] for row in chosen])


def test_candidates_are_the_distinct_truths_of_a_folder() -> None:
    assert by_folder(TARGETS) == [([0, 3, 1, 4], [0, 1, 4], [0, 0, 1, 2]), ([2], [2], [0])]
    assert chance(TARGETS) == (pytest.approx((4 / 3 + 1) / 5), pytest.approx(13 / 5))


@pytest.mark.parametrize("numbers", [2**24, 2])
def test_the_nearest_of_the_folder_is_found(monkeypatch: pytest.MonkeyPatch, numbers: int) -> None:
    monkeypatch.setattr(retrieval, "NUMBERS", numbers)  # also a row at a time
    truths = [[0, 0], [10, 0], [0.1, 0], [0, 0], [0, 10]]  # the third, of another folder, would mislead
    outputs = [[1, 0], [9, 1], [99, 99], [4, 6], [1, 9]]  # the fourth is nearest to the truth of the fifth
    assert top1(rows(outputs), rows(truths), TARGETS, 2) == 4 / 5
    assert top1(rows(truths), rows(truths), TARGETS, 2) == 1


def test_equal_truths_are_equally_right_and_chance_is_chance() -> None:
    same = [[3.0, 4.0]] * 5
    assert top1(rows(same), rows(same), TARGETS, 2) == 1
    random = np.random.default_rng(0)
    targets = [Path(f"a/{i}") for i in range(300)]
    blind = top1(rows(random.normal(size=(300, 4))), rows(random.normal(size=(300, 4))), targets, 4)
    assert blind < 0.03 and chance(targets)[0] == pytest.approx(1 / 300)


def test_correlation_ignores_brightness_and_contrast_and_copies_are_scored_beside() -> None:
    generator = np.random.default_rng(0)
    targets = [Path(f"a/{i}") for i in range(20)]
    truths = generator.integers(100, 156, (20, 48), np.uint8)
    dim = (truths // 2).astype(np.uint8)  # darker than any truth
    found = retrieve(targets, rows(dim.tolist()), rows(truths[::-1].tolist()), rows(truths.tolist()))
    assert found["output_correlation"] == 1 and found["copy_content_correlation"] == found["copy_content_pixels"] == 0
    assert found["output_pixels"] < 0.5 and found["chance"] == 0.05 and found["n"] == 20
    flat = retrieve(targets, rows([[7] * 48] * 20), rows(truths.tolist()), rows(truths.tolist()))
    assert flat["output_correlation"] == 0.05  # of no contrast: chance
    same = retrieve(targets, rows([truths[3].tolist()] * 20), rows(truths.tolist()), rows(truths.tolist()))
    assert same["output_correlation"] == same["output_pixels"] == 0.05  # one picture for all


@pytest.mark.parametrize("numbers", [2**24, 2])
def test_correlation_compares_what_sets_images_apart(monkeypatch: pytest.MonkeyPatch, numbers: int) -> None:
    monkeypatch.setattr(retrieval, "NUMBERS", numbers)
    generator = np.random.default_rng(0)
    targets = [Path(f"{folder}/{i}") for folder in "ab" for i in range(15)]
    own = generator.normal(size=(30, 24))
    # What all translations of a folder share, and what all its truths do, drowns what is their own.
    outputs, truths = (own + 9 * generator.normal(size=(2, 24)).repeat(15, 0) for _ in range(2))
    assert top1(rows(outputs), rows(truths), targets, 24) < 0.5
    assert top1(rows(outputs), rows(truths), targets, 24, correlated=True) == 1


def test_gradients_by_hand() -> None:
    image = np.zeros((2, 3, 3), np.uint8)
    image[:, 1] = 30  # across: 30 and 30 everywhere; down: nothing
    assert gradient(image) == 15
    assert gradient(255 - image) == 15 and gradient(np.full_like(image, 9)) == 0


def test_sets_are_of_distinct_truths_and_equal_ones_are_not_told_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(60, 6, generator=generator, dtype=torch.float64)
    rows = torch.arange(90) % 60  # a third of the truths twice
    targets = [Path(f"a/{row}") for row in rows]
    extractor = Extractor("random-vgg16", torch.nn.Identity(), to_centre=True, compared=4)
    near = sets(real[rows] + 0.01, real[rows], targets, extractor, seed=0)
    far = sets(real[rows] * 0.2 + 3, real[rows], targets, extractor, seed=0)
    assert near is not None and far is not None
    assert (near["n"], near["n_real"], near["floor"]["n"], near["subset_size"]) == (90, 60, 30, 30)
    told = near["real_or_translated"]
    assert (told["n"], told["n_real"], told["chance"], told["extractor"]) == (90, 60, 0.5, extractor.read_as)
    assert told["balanced_accuracy"] < 0.6 < far["real_or_translated"]["balanced_accuracy"]
    assert near["kid_random_vgg16"] < 0.05 < far["kid_random_vgg16"]
    a, b = (centred(each[:, :4], real[:, :4]) for each in (real[rows] * 0.2 + 3, real))
    assert {**far, **distance(a, b, "random-vgg16")} == far  # in the first features, in the unit of the truths
    assert sets(real[:40] + 1, real[:40], targets[:19] + targets[:19] + targets[:2], extractor, seed=0) is None


def test_translations_share_their_folds_with_their_truths_whatever_their_order() -> None:
    real = 1000 * torch.eye(60, dtype=torch.float64)
    rows = torch.arange(60) // 2  # each truth twice in a row, translated to itself
    extractor = Extractor("random-vgg16", torch.nn.Identity())
    found = sets(real[rows], real[rows], [Path(f"a/{row}") for row in rows], extractor, seed=0)
    assert found is not None and found["real_or_translated"]["balanced_accuracy"] == pytest.approx(0.5, abs=0.01)
