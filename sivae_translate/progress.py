"""Progress of long work: the protocol of a display, a display that shows nothing, and a callback that counts."""

from __future__ import annotations

import time
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
    """A callback that shows both numbers, the name of the items, `what`, their number a second and the time left."""
    began, first = time.monotonic(), 0  # of the first call, as later ones tell the speed

    def show(done: int, total: int) -> None:
        nonlocal began, first
        text, seconds = f"{done:,} of {total:,} {what}", time.monotonic() - began
        if not first:
            began, first = time.monotonic(), done
        elif done > first and seconds > 0:
            pace = (done - first) / seconds
            text += f"  {pace:,.{0 if pace >= 10 else 1}f}/s  {clock((total - done) / pace)} left"
        display.step(done / total, text)

    return show


def clock(seconds: float) -> str:
    """A time as minutes and seconds, 2:05, or from an hour on 1:02:05."""
    minutes, left = divmod(round(seconds), 60)
    return f"{minutes}:{left:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{left:02d}"
