"""The progress of a run in images and seconds, its budget, and the learning-rate schedule."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class State:
    """Progress of a run.

    Attributes:
        step: batches seen by each process.
        images: images seen by all processes together.
        seconds: time in the loop, with logging, drawing and saving, without reading images or pauses between runs.
        lr_scale: factor of the learning rate, halved each time that training diverged and went back.
        scaled_lr: the training.lr that `lr_scale` belongs to; None for a new run.
    """

    step: int = 0
    images: int = 0
    seconds: float = 0.0
    lr_scale: float = 1.0
    scaled_lr: float | None = None


@dataclass(frozen=True)
class Budget:
    """The limits of training, `images` seen and `minutes`; 0 is no limit. Training ends at the first limit."""

    images: int
    minutes: float

    def progress(self, state: State) -> float:
        """Fraction of the budget that is spent, in [0, 1]; the larger one of both limits."""
        by_images = state.images / self.images if self.images else 0.0
        by_time = state.seconds / (60 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(by_images, by_time))

    def seconds_left(self, state: State) -> float:
        """Estimate from the speed so far; infinite before the first batch."""
        progress = self.progress(state)
        return state.seconds * (1 - progress) / progress if progress else math.inf


@dataclass(frozen=True)
class Schedule:
    """Learning rate: linear warm-up over the first `warmup_images` images, then cosine decay to 0 over the budget."""

    lr: float
    warmup_images: int

    def __call__(self, images: int, progress: float) -> float:
        rise = min(1.0, (images + 1) / self.warmup_images) if self.warmup_images else 1.0
        return self.lr * rise * 0.5 * (1 + math.cos(math.pi * progress))
