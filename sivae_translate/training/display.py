"""A display whose failure does not stop training."""

from __future__ import annotations

from collections.abc import Callable

from sivae_translate.progress import Display


class LastingDisplay:
    """A `progress.Display` that goes quiet where another one fails, as when the reader of its output has exited."""

    def __init__(self, display: Display) -> None:
        self.display, self.failed = display, False

    def note(self, text: str) -> None:
        self._attempt(lambda: self.display.note(text))

    def step(self, fraction: float, text: str) -> None:
        self._attempt(lambda: self.display.step(fraction, text))

    def _attempt(self, show: Callable[[], None]) -> None:
        if not self.failed:
            try:
                show()
            except (OSError, ValueError, SystemExit):  # ValueError: a closed file. Rich exits where a pipe is broken
                self.failed = True
