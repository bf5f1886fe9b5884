"""How long work says how it goes: to a terminal, a notebook, or nobody."""

from __future__ import annotations

from typing import Protocol


class Display(Protocol):
    """Where a run is watched: a terminal, a notebook, nothing."""

    def note(self, text: str) -> None:
        """Something worth a line of its own."""

    def step(self, fraction: float, text: str) -> None:
        """Progress 0..1 of the task at hand, with what is to be seen beside it."""


class Silent:
    """Shows nothing."""

    def note(self, text: str) -> None: ...

    def step(self, fraction: float, text: str) -> None: ...
