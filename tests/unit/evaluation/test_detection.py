"""AUROC, AUPR and their intervals, by hand and against scikit-learn; scores that depend on the image alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from sivae_translate.errors import UsageError
from sivae_translate.evaluation.detection import areas, separation
from sivae_translate.inference.translator import Translator
from sivae_translate.models.likelihood import BETA
from sivae_translate.types import Scores

# --- AUROC and AUPR -------------------------------------------------------------------------------------------------


def figures(inside: list[float], outside: list[float]) -> tuple[float, float]:
    result = separation(np.array(inside), np.array(outside), seed=0)
    return result["auroc"], result["aupr"]


def test_auroc_and_aupr_by_hand() -> None:
    assert figures([3, 4], [1, 2]) == (1, 1)
    assert figures([1, 2], [3, 4]) == (0, pytest.approx(1 / 2 * 1 / 3 + 1 / 2 * 2 / 4, abs=1e-4))
    assert figures([4, 2], [3, 1]) == (0.75, pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3, abs=1e-4))  # 3 of 4 pairs
    assert figures([1, 1], [1, 1, 1]) == (0.5, 0.4)  # ties count half; chance is the fraction of "in"
    assert figures([2, 1], [1]) == (0.75, pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3, abs=1e-4))


def test_resampled_areas_are_scikit_learn_s_under_weights() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        scores = random.integers(0, 12, 60) / 3.0  # many ties
        positive, counts = random.random(60) < 0.4, random.integers(0, 4, 60)
        order = np.argsort(-scores, kind="stable")
        last = np.flatnonzero(np.append(np.diff(scores[order]), -1))
        expected = [f(positive, scores, sample_weight=counts) for f in (roc_auc_score, average_precision_score)]
        assert areas(counts[order], positive[order], last) == pytest.approx(expected)


def test_intervals_hold_the_figure_and_narrow_with_the_images() -> None:
    random = np.random.default_rng(0)
    widths = []
    for n in (40, 640):
        result = separation(random.normal(1, 1, n), random.normal(0, 1, n), seed=3)
        for metric in ("auroc", "aupr"):
            low, high = result[f"{metric}_interval"]
            assert 0 <= low < result[metric] < high <= 1
        widths.append(np.ptp(result["auroc_interval"]))
    assert 3 < widths[0] / widths[1] < 5.3  # as 1 / sqrt(n)
    theory = 1.96 * np.sqrt(0.76 * 0.24 / 640 * 0.8) * 2  # Hanley & McNeil 1982, about
    assert widths[1] == pytest.approx(theory, rel=0.3)


def test_an_interval_holds_the_figure_where_few_are_positive() -> None:
    random = np.random.default_rng(0)
    for seed in range(10):
        result = separation(random.normal(0.5, 1, 20), random.normal(0, 1, 2000), seed=seed)
        for metric in ("auroc", "aupr"):
            low, high = result[f"{metric}_interval"]
            assert 0 <= low <= result[metric] <= high <= 1


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        (np.ones(1), np.zeros(1)),
        (np.arange(19.0), np.arange(40.0)),  # too few
        (np.ones(50), np.zeros(50)),  # no overlap, so that every resample gives 1
        (np.ones(50), np.ones(70)),  # ties alone
    ],
)
def test_there_is_no_interval_where_resamples_tell_nothing(inside: np.ndarray, outside: np.ndarray) -> None:
    result = separation(inside, outside, seed=0)
    assert result["auroc_interval"] is None and result["aupr_interval"] is None
    assert 0 <= result["auroc"] <= 1


def test_the_same_seed_draws_the_same_intervals() -> None:
    a, b = np.arange(30.0), np.arange(30.0) - 4.5
    assert separation(a, b, seed=1) == separation(a, b, seed=1) != separation(a, b, seed=2)


# --- scores ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def paths(cars: Path) -> list[Path]:
    return sorted((cars / "unseen/car003").glob("*.png"))[::12]


def assert_same(ours: Scores, expected: Scores) -> None:
    torch.testing.assert_close(ours.rec, expected.rec, rtol=1e-5, atol=0)
    torch.testing.assert_close(ours.kl, expected.kl, rtol=1e-5, atol=0)
    for name in ("bound", "elbo"):
        torch.testing.assert_close(
            getattr(ours, name), getattr(expected, name), rtol=0, atol=1e-5 * float(expected.rec.max()) / BETA
        )


def rows(scores: Scores, chosen: list[int]) -> Scores:
    return Scores(scores.bound[chosen], scores.elbo[chosen], scores.kl[chosen], scores.rec[chosen])


def test_scores_depend_neither_on_the_batch_nor_on_the_neighbours(translator: Translator, paths: list[Path]) -> None:
    together = translator.score(paths)
    assert together.bound.shape == (8,) and together.bound.dtype == torch.float64
    assert together.bound.std() > 1  # the images of the batch differ
    assert_same(translator.score(paths, batch=3), together)
    assert_same(translator.score(paths[2]), rows(together, [2]))
    order = [5, 3, 1, 7, 0, 2, 4, 6]
    assert_same(translator.score([paths[i] for i in order]), rows(together, order))
    among_others = translator.score(torch.cat([torch.rand(3, 3, 16, 16), translator.prepare(paths)]))
    assert_same(rows(among_others, list(range(3, 11))), together)


def test_the_elbo_is_its_parts_and_samples_tighten_the_bound(translator: Translator, paths: list[Path]) -> None:
    few, many = translator.score(paths, samples=2), translator.score(paths, samples=40)
    constant = -0.5 * 3 * 16**2 * np.log(np.pi * BETA)
    torch.testing.assert_close(few.elbo, constant - few.rec / BETA - few.kl)
    assert torch.equal(few.kl, many.kl)
    assert many.bound.mean() > few.bound.mean() > few.elbo.mean()


def test_scores_follow_the_seed(translator: Translator, paths: list[Path]) -> None:
    assert torch.equal(translator.score(paths).bound, translator.score(paths, seed=0).bound)
    assert not torch.equal(translator.score(paths).bound, translator.score(paths, seed=1).bound)


def test_a_single_latent_is_scored_too(untrained: Callable[..., Path], paths: list[Path]) -> None:
    scores = Translator.from_pretrained(untrained("conv", "a", "b"), device="cpu").score(paths)
    assert scores.bound.isfinite().all() and (scores.kl > 0).all()


@pytest.mark.parametrize(
    ("options", "key"),
    [({"samples": 0}, "samples"), ({"beta": 0.0}, "beta"), ({"beta": float("nan")}, "beta")],
)
def test_settings_out_of_range_are_errors(
    translator: Translator, paths: list[Path], options: dict[str, float], key: str
) -> None:
    with pytest.raises(UsageError, match=key):
        translator.score(paths, **options)  # type: ignore[arg-type]
