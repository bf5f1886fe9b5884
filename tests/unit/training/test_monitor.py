"""The monitor: when it saves and logs, and when it gives advice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sivae_translate.progress import Silent
from sivae_translate.recipe import load_recipe
from sivae_translate.training import monitor as monitor_module
from sivae_translate.training.log import LogFiles
from sivae_translate.training.monitor import Monitor
from sivae_translate.training.state import Budget, State


def build(overrides: tuple[str, ...] = (), **changes: Any) -> Monitor:
    """A monitor of a run of 60 minutes without effects, except for the given parts."""
    parts: dict[str, Any] = {"display": Silent(), "log": None, "diagnose": lambda terms: None, "save": lambda: None}
    parts |= {"lr": lambda: 0.0, "asked_to_stop": lambda: False, "draw": lambda images: None, **changes}
    return Monitor(load_recipe("tiny", overrides), Budget(images=0, minutes=60), State(), **parts)


@pytest.fixture
def saved_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[float]], list[float]]:
    """Gives the seconds at which saves of the given durations begin, by a simulated clock."""
    clock = [0.0]
    monkeypatch.setattr(monitor_module.time, "monotonic", lambda: clock[0])

    def times_of(durations: list[float]) -> list[float]:
        times: list[float] = []

        def save() -> None:
            times.append(clock[0])
            clock[0] += durations[len(times) - 1]

        monitor = build(save=save)
        while len(times) < len(durations):
            monitor(State(seconds=clock[0]), 0.5, {})
            clock[0] += 1
        return times

    return times_of


def test_quick_saves_come_at_the_set_interval(saved_at: Callable[[list[float]], list[float]]) -> None:
    assert saved_at([2, 2, 2]) == [300, 602, 904]


def test_slow_saves_take_a_tenth_of_the_time_at_most(saved_at: Callable[[list[float]], list[float]]) -> None:
    """A save of 60 s is followed by 600 s of training; later saves come at the set interval again."""
    assert saved_at([60, 2, 2]) == [300, 960, 1262]


@pytest.mark.parametrize(("stop", "progress"), [(True, 0.5), (False, 1.0)])
def test_the_last_call_saves_and_says_whether_it_was_asked_to_stop(stop: bool, progress: float) -> None:
    saves: list[bool] = []
    monitor = build(asked_to_stop=lambda: stop, save=lambda: saves.append(True))
    assert monitor(State(), progress, {}) is stop
    assert saves == [True]


class Notes(Silent):
    """A display that keeps its notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_advice_is_given_once_and_again_only_after_a_recovery(tmp_path: Path) -> None:
    display, seen = Notes(), list[float]()

    def diagnose(terms: dict[str, float]) -> str | None:
        seen.append(terms["gap"])
        return "raise it" if terms["gap"] < 0 else None

    monitor = build(("training.log_every=8",), display=display, log=LogFiles(tmp_path), diagnose=diagnose)
    for step, gap in enumerate([-2.0, -2.0, 1.0, -2.0], start=1):
        monitor(State(step, 8 * step, float(step)), 0.1, {"gap": torch.tensor(gap)})
    assert seen == [-2.0, -2.0, 1.0, -2.0]
    assert display.notes == ["raise it"] * 2
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 4


def test_files_that_cannot_be_written_are_noted_once_and_training_goes_on(tmp_path: Path) -> None:
    display, log = Notes(), LogFiles(tmp_path)
    log.jsonl.symlink_to("/dev/full")

    def draw(images: int) -> None:
        raise FileExistsError(17, "File exists")

    saves: list[bool] = []
    monitor = build(("training.log_every=8",), display=display, log=log, draw=draw, save=lambda: saves.append(True))
    for step in range(1, 5):
        assert monitor(State(step, 8 * step, float(step)), step / 4, {"gap": torch.tensor(1.0)}) is False
    assert len(display.notes) == 2
    assert "No space left" in display.notes[0] and "samples/" in display.notes[1]
    assert len(log.csv.read_text().splitlines()) == 5  # the other file has all rows
    assert saves == [True]


def test_processes_save_by_the_time_that_they_agree_on_and_pause_for_the_slowest() -> None:
    saves: list[float] = []
    state = State()
    monitor = build(save=lambda: saves.append(state.seconds), slowest=lambda seconds: 60.0)
    for state.seconds in (0.0, 299.0, 300.0, 959.0, 960.0):
        monitor(state, 0.5, {})
    assert saves == [300.0, 960.0]


def test_a_line_of_the_log_has_the_means_of_all_processes(tmp_path: Path) -> None:
    """Also a process without a log takes part."""
    seen: list[dict[str, float]] = []

    def average(means: dict[str, float]) -> dict[str, float]:
        seen.append(means)
        return {"gap": 5.0}

    for log in (LogFiles(tmp_path), None):
        monitor = build(("training.log_every=8",), log=log, average=average)
        monitor(State(1, 8, 1.0), 0.1, {"gap": torch.tensor(1.0)})
    assert seen == [{"gap": 1.0}] * 2
    assert '"gap": 5.0' in (tmp_path / "log.jsonl").read_text()


def test_checkpoints_are_spread_over_the_budget_where_saving_takes_little_time() -> None:
    """Beside those by time: at each quarter of the 60 minutes, and later where the save before took long."""
    saves: list[float] = []
    state, took = State(), [0.0]
    seldom = ("training.save_minutes=100",)
    monitor = build(seldom, save=lambda: saves.append(state.seconds), slowest=lambda s: took[0], checkpoints=4)
    for minute in range(60):
        state.seconds = 60.0 * minute
        took[0] = 60.0 if minute < 20 else 0.0  # the pause is then 20 minutes
        monitor(state, minute / 60, {})
    assert [seconds / 60 for seconds in saves] == [15, 36, 45]
    assert build(seldom, save=lambda: saves.append(-1))(State(seconds=900), 0.5, {}) is False
    assert -1 not in saves
