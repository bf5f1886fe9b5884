"""Progress of long work: the protocol of a display, and a display that shows nothing."""

from __future__ import annotations

from typing import Protocol


class Display(Protocol):
    """Shows the progress of long work on a terminal or in a notebook."""

    def note(self, text: str) -> None:
        """Show a message on a line of its own."""

    def step(self, fraction: float, text: str) -> None:
        """Show the finished fraction of the current task, in [0, 1], with a text beside it."""


class Silent:
    """A display that shows nothing."""

    def note(self, text: str) -> None: ...

    def step(self, fraction: float, text: str) -> None: ...
