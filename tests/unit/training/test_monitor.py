"""When a run is saved."""

from collections.abc import Callable

import pytest

from sivae_translate.progress import Silent
from sivae_translate.recipe import load_recipe
from sivae_translate.training import monitor as watching
from sivae_translate.training.monitor import Watch
from sivae_translate.training.state import Budget, State


@pytest.fixture
def saved_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[float]], list[float]]:
    """The seconds at which saves begin that take as long as given, in turn."""
    clock = [0.0]
    monkeypatch.setattr(watching.time, "monotonic", lambda: clock[0])

    def begun(durations: list[float]) -> list[float]:
        times: list[float] = []

        def save() -> None:
            times.append(clock[0])
            clock[0] += durations[len(times) - 1]

        watch = Watch(
            load_recipe("tiny"),
            Budget(images=0, minutes=60),
            State(),
            Silent(),
            None,
            lr=lambda: 0.0,
            health=lambda means: None,
            asked_to_stop=lambda: False,
            draw=lambda images: None,
            save=save,
        )
        while len(times) < len(durations):
            watch(State(), 0.5, {})
            clock[0] += 1
        return times

    return begun


def test_quick_saves_come_as_often_as_asked(saved_at: Callable[[list[float]], list[float]]) -> None:
    assert saved_at([2, 2, 2]) == [300, 602, 904]


def test_slow_saves_take_a_tenth_of_the_time_at_most(saved_at: Callable[[list[float]], list[float]]) -> None:
    """A save of a minute is followed by ten of training; one slow save does not make the later ones rare."""
    assert saved_at([60, 2, 2]) == [300, 960, 1262]
