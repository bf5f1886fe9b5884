"""Budget and learning-rate schedule."""

from __future__ import annotations

import math

import pytest

from sivae_translate.training.state import Budget, Schedule, State


def test_the_budget_ends_with_whichever_limit_binds() -> None:
    assert Budget(1000, 0).progress(State(images=250)) == 0.25
    assert Budget(0, 2).progress(State(seconds=30)) == 0.25
    assert Budget(1000, 2).progress(State(images=250, seconds=60)) == 0.5
    assert Budget(1000, 0).progress(State(images=2000)) == 1


def test_time_left_follows_the_pace_so_far() -> None:
    assert Budget(1000, 0).seconds_left(State(images=250, seconds=10)) == pytest.approx(30)
    assert Budget(1000, 0).seconds_left(State()) == math.inf


def test_the_learning_rate_ramps_up_and_falls_to_zero() -> None:
    schedule = Schedule(lr=0.1, warmup_images=100)
    assert schedule(0, 0.0) == pytest.approx(0.001)
    assert schedule(1000, 0.0) == pytest.approx(0.1)
    assert schedule(1000, 0.5) == pytest.approx(0.05)
    assert schedule(1000, 1.0) == pytest.approx(0.0)
