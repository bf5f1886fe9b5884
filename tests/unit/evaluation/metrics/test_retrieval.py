"""Top-1 retrieval on sets small enough to check by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from sivae_translate.evaluation.metrics import retrieval
from sivae_translate.evaluation.metrics.retrieval import candidates_by_domain, top1

TARGETS = [Path(name) for name in ("a/1", "a/2", "b/1", "a/1", "a/3")]


def images(pixels: Sequence[tuple[int, int]]) -> np.ndarray:
    """One image of two grey values each, uint8 `[n, 1, 2, 3]`."""
    return np.array(pixels, np.uint8)[:, None, :, None].repeat(3, 3)


def test_candidates_are_the_distinct_targets_of_a_folder() -> None:
    found = [tuple(part.tolist() for part in each) for each in candidates_by_domain(TARGETS)]
    assert found == [([0, 3, 1, 4], [0, 1, 4], [0, 0, 1, 2]), ([2], [2], [0])]


@pytest.mark.parametrize("numbers", [2**24, 6])
def test_the_nearest_target_of_the_folder_is_found(monkeypatch: pytest.MonkeyPatch, numbers: int) -> None:
    monkeypatch.setattr(retrieval, "NUMBERS", numbers)  # all at once, or one image at a time
    targets = images([(0, 0), (100, 0), (1, 0), (0, 0), (0, 100)])  # the third, of another folder, is no candidate
    outputs = images([(10, 0), (90, 10), (99, 99), (40, 60), (10, 90)])  # the fourth is nearest to the fifth's target
    assert top1(outputs, targets, TARGETS) == 4 / 5
    assert top1(targets, targets, TARGETS) == 1


def test_equal_targets_count_as_correct() -> None:
    same = images([(3, 4)] * 5)
    assert top1(same, same, TARGETS) == 1


def test_unrelated_images_score_chance() -> None:
    random, paths = np.random.default_rng(0), [Path(f"a/{i}") for i in range(300)]
    made, targets = (random.integers(0, 256, (300, 4, 4, 3), np.uint8) for _ in range(2))
    assert top1(made, targets, paths) < 0.03
