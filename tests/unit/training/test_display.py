"""A display that fails goes quiet, and the work goes on."""

from __future__ import annotations

import pytest

from sivae_translate.training.display import LastingDisplay


@pytest.mark.parametrize(
    "error", [BrokenPipeError(), OSError(5, "I/O error"), ValueError("closed file"), SystemExit(1)]
)
def test_a_display_is_asked_no_more_once_it_has_failed(error: BaseException) -> None:
    class Failing:
        """Shows two things."""

        def __init__(self) -> None:
            self.shown: list[str] = []

        def note(self, text: str) -> None:
            self.shown.append(text)
            if len(self.shown) > 2:
                raise error

        def step(self, fraction: float, text: str) -> None:
            self.note(text)

    failing = Failing()
    display = LastingDisplay(failing)
    for text in "abcd":
        display.note(text)
        display.step(0.5, text.upper())
    assert failing.shown == ["a", "A", "b"]
