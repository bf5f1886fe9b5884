"""Progress of long work: the protocol of a display, a display that shows nothing, and a callback that counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Progress = Callable[[int, int], None]
"""A callback of the number of items done and of their total."""


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


def counting(display: Display, what: str) -> Progress:
    """A callback that shows both numbers and the name of the items, `what`."""
    return lambda done, total: display.step(done / total, f"{done:,} of {total:,} {what}")
