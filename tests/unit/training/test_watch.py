"""When a run is saved."""

import pytest

from sivae_translate.recipe import load_recipe
from sivae_translate.training import watch as watching
from sivae_translate.training.log import Silent
from sivae_translate.training.state import Budget, State
from sivae_translate.training.watch import Watch


@pytest.fixture
def saves(monkeypatch):
    """How many times a run with a checkpoint each five minutes is saved in an hour, if a save takes `seconds`."""
    clock = [0.0]
    monkeypatch.setattr(watching.time, "monotonic", lambda: clock[0])

    def count(seconds: float) -> int:
        done = []

        def save() -> None:
            clock[0] += seconds
            done.append(clock[0])

        state = State()
        watch = Watch(
            load_recipe("tiny"),
            Budget(images=0, minutes=60),
            state,
            Silent(),
            None,
            lr=lambda: 0.0,
            health=lambda means: None,
            asked_to_stop=lambda: False,
            draw=lambda images: None,
            save=save,
        )
        clock[0] = 0.0
        while clock[0] < 3600:
            watch(state, 0.5, {})
            clock[0] += 1
        return len(done)

    return count


def test_quick_saves_come_as_often_as_asked(saves):
    assert saves(0.5) == 11


def test_slow_saves_take_a_tenth_of_the_time_at_most(saves):
    """A minute each: the first after five minutes, the others ten minutes apart."""
    assert saves(60) == 5
