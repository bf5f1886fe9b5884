"""The classifier two-sample test: chance for equal sets, and no leak between folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sivae_translate.evaluation.metrics.two_sample import two_sample
from sivae_translate.evaluation.sets import TranslatedPairs


def codes(n: int, size: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, size))


def test_translations_are_separated_from_real_images_only_where_they_differ() -> None:
    truth, real = np.arange(200) % 150, codes(150)
    assert two_sample(codes(200, seed=1) + 5, real, truth, seed=0) > 0.97
    assert two_sample(codes(200, seed=1), real, truth, seed=0) == pytest.approx(0.5, abs=0.1)


def test_a_translation_is_in_the_fold_of_its_target() -> None:
    real = 1000.0 * np.eye(60)
    half = real[:30]  # translations equal to their targets: without groups a fold would hold copies of the other
    assert two_sample(half, real, np.arange(30), seed=0) == pytest.approx(0.5, abs=0.01)


def test_translations_are_in_the_fold_of_their_target_in_any_order() -> None:
    real, rows = 1000.0 * np.eye(60), np.arange(60) // 2  # each target twice in a row
    first, truth = TranslatedPairs(tuple(Path(f"a/{row}") for row in rows), {}).distinct()
    assert first.tolist() == list(range(0, 60, 2)) and truth.tolist() == rows.tolist()
    assert two_sample(real[rows], real[rows][first], truth, seed=0) == pytest.approx(0.5, abs=0.01)
