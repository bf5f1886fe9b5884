"""Times of calls that take turns, and the line that shows a ratio."""

from __future__ import annotations

import time

import pytest

from sivae_translate.bench.ratio import Ratio, in_turn


def test_calls_take_turns_and_the_first_rounds_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, order = [0.0], list[str]()
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])

    def takes(name: str, *durations: float) -> None:
        clock[0] += durations[min(order.count(name), len(durations) - 1)]
        order.append(name)

    medians = in_turn(lambda: takes("a", 90, 80, 3), lambda: takes("b", 70, 60, 1, 2, 9), rounds=3, skipped=2)
    assert order == ["a", "b"] * 5
    assert medians == [3, 2]


def test_the_line_names_what_is_compared_and_the_goal() -> None:
    ratio = Ratio("step", 50.25, 1500.0, "ms", "the literal step", 30.0, 2.5, "32 px")
    assert ratio.line() == "step (32 px): 50.2 ms; the literal step: 1,500 ms; ratio 30.00, goal 2.5"
