"""The verdict on a run: each sentence follows from figures of the log."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from sivae_translate.pages.chart import Span
from sivae_translate.training.facts import Facts
from sivae_translate.training.verdict import best_held_out, phases, verdict

NAN = math.nan


def rows(errors: Sequence[float], adversarial: Sequence[float] = (), gap: float = 1.0) -> list[dict[str, float]]:
    """A line for each 100 images: those of the VAE phase, then those of the adversarial phase."""
    found: list[dict[str, float]] = [{"lr": 1.0, "rec": error} for error in errors]
    found += [{"lr": 1.0, "rec": error, "adversarial": 0.1, "gap": gap} for error in adversarial]
    return [{"images": 100.0 * (n + 1), **row} for n, row in enumerate(found)]


def said(log: list[dict[str, float]], advice: str | None = None, vae_fraction: float | None = 0.9, **facts: Any) -> str:
    return " ".join(finding.text for finding in verdict(log, Facts(**facts), vae_fraction, advice))


FALLING = [100 * 0.9**n for n in range(20)]


def test_an_error_that_falls_is_distinguished_from_one_that_is_level_or_rises() -> None:
    assert "still falls" in said(rows(FALLING)) and "41.0% lower" in said(rows(FALLING))
    assert "levelled off" in said(rows([50, *[10 + 0.001 * n for n in range(19)]]))
    assert "levelled off" in said(rows([10, 12, 9, 11] * 5))  # noise
    assert "rises" in said(rows([10 + n for n in range(20)]))


def test_more_training_is_suggested_to_a_finished_run_alone() -> None:
    assert "longer training" in said(rows(FALLING), status="finished")
    assert "longer training" not in said(rows(FALLING), status="running")


def test_phases_are_not_compared_with_each_other() -> None:
    """The error jumps where the adversarial phase begins."""
    text = said(rows(FALLING, [200.0, 180, 160, 150, 140, 130, 120, 110]))
    assert "still falls" in text and "of the adversarial phase" in text
    assert "of the VAE phase" in said(rows(FALLING, [200.0]))


@pytest.mark.parametrize("log", [[], rows([5.0]), rows([NAN] * 20), rows([3.0] * 7), [{"images": 1.0}] * 9])
def test_nothing_is_said_of_an_error_without_enough_figures(log: list[dict[str, float]]) -> None:
    assert "error" not in said(log)


def test_an_error_of_zero_is_level() -> None:
    assert "levelled off" in said(rows([0.0] * 20))


@pytest.mark.parametrize(
    ("gap", "text"), [(2.0, "is open"), (0.0, "is open"), (-0.5, "nearly the same"), (-4, "closed")]
)
def test_the_gap_is_named_by_its_sign_and_size(gap: float, text: str) -> None:
    assert text in said(rows([], [1.0] * 4, gap))


def test_advice_of_the_objective_comes_first_and_stands_for_a_closed_gap() -> None:
    text = said(rows([], [1.0] * 4, -4.0), advice="fakes pass for real: raise it")
    assert text.startswith("Fakes pass for real: raise it.") and "closed" not in text


def test_a_phase_that_is_to_come_is_named_where_the_objective_has_one() -> None:
    assert "last 10% of the budget" in said(rows(FALLING))
    assert "adversarial" not in said(rows(FALLING), vae_fraction=None)


def test_a_run_that_went_back_says_so() -> None:
    assert "0.25 of the learning rate" in said(rows(FALLING), lr_scale=0.25)
    assert "diverged" not in said(rows(FALLING))


def test_a_phase_begins_with_the_images_after_the_line_before() -> None:
    log = rows([1.0, 1.0], [1.0, 1.0])
    assert phases([*log, {"images": 400.0, "held_out": 3.0}]) == [
        Span("VAE phase", 0, 200), Span("adversarial phase", 200, 400),
    ]  # fmt: skip
    assert phases([]) == []


def test_the_best_model_on_held_out_images_stands_beside_the_last() -> None:
    first, second = {"images": 100.0, "psnr": 20.0, "best": 1.0}, {"images": 2000.0, "psnr": 19.5, "kid_copy": 0.1}
    [finding] = best_held_out([first, second])
    assert "after 100 images" in finding.text and "20.00 dB" in finding.text
    assert "after 2,000 images" in finding.text and "19.50 dB" in finding.text
    assert "19.50" not in best_held_out([second, first])[0].text
    assert best_held_out([second]) == best_held_out([]) == []
