"""A speed beside its reference. Both are timed in turn in one run, as other programs slow a machine for a while."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Ratio:
    """A measured speed over that of its reference.

    Attributes:
        name: what was measured.
        value, reference: both speeds or both times, in `unit`.
        unit: such as "ms a step" (lower is better) or "images/s" (higher is better).
        reference_name: what it is compared to.
        ratio: how many times as good as the reference.
        goal: the ratio to reach; None for none.
        detail: the sizes and settings measured.
    """

    name: str
    value: float
    reference: float
    unit: str
    reference_name: str
    ratio: float
    goal: float | None = None
    detail: str = ""

    def line(self) -> str:
        """The result in one line."""
        goal = "" if self.goal is None else f", goal {self.goal:g}"
        about = f" ({self.detail})" if self.detail else ""
        return (
            f"{self.name}{about}: {number(self.value)} {self.unit}; {self.reference_name}: {number(self.reference)} "
            f"{self.unit}; ratio {self.ratio:.2f}{goal}"
        )


def number(x: float) -> str:
    """Three digits, and all of those before the point."""
    return f"{x:,.0f}" if x >= 100 else f"{x:.3g}"


def in_turn(*calls: Callable[[], object], rounds: int = 10, skipped: int = 2) -> list[float]:
    """Median seconds of each call. The calls take turns, and the first `skipped` rounds, which also set up, count not.

    Args:
        rounds: number of rounds that count, 1 or more.
    """
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(skipped + rounds):
        for call, taken in zip(calls, times, strict=True):
            taken.append(seconds(call))
    return [statistics.median(taken[skipped:]) for taken in times]


def seconds(call: Callable[[], object]) -> float:
    """Seconds of one call, work on a GPU included."""
    _synchronise()
    started = time.perf_counter()
    call()
    _synchronise()
    return time.perf_counter() - started


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
