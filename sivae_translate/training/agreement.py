"""Agreement of all processes on the time spent and on signals, so that all stop, save and log at the same step."""

from __future__ import annotations

import torch
from accelerate import Accelerator

from sivae_translate.training.stop import Stop

INTERVAL = 1.0  # seconds between two checks; a user who stops a run does not notice them


class Agreement:
    """A callable for the argument `agree` of `loop.train_loop`.

    One process checks before every step. Several check every N steps, where N is the number of steps that take about
    `INTERVAL` seconds in the slowest process. The time and signals count from a check on, so between two checks all
    processes go on alike, and they wait for each other only where gradients are averaged.
    """

    def __init__(self, accelerator: Accelerator, stop: Stop) -> None:
        self.accelerator, self.stop = accelerator, stop
        self.seconds, self.steps, self.interval = 0.0, 0, 1

    def __call__(self, seconds: float) -> float:
        """Count a step that took this process so many seconds.

        Returns:
            The seconds since the last check, of the slowest process, where this is a check; else 0.
        """
        self.seconds, self.steps = self.seconds + seconds, self.steps + 1
        if self.steps < self.interval:
            return 0.0
        slowest, signal = self.largest(self.seconds, self.stop.received or 0)
        self.stop.signal = int(signal) or None
        if self.accelerator.num_processes > 1:  # at most twice the steps, as the first call has none before it
            self.interval = max(1, min(2 * self.interval, int(INTERVAL * self.steps / max(slowest, 1e-9))))
        self.seconds, self.steps = 0.0, 0
        return slowest

    def largest(self, *values: float) -> list[float]:
        """The maximum of each value over the processes, which all call this together."""
        if self.accelerator.num_processes == 1:
            return list(values)
        own = torch.tensor([values], dtype=torch.float64, device=self.accelerator.device)
        return [float(value) for value in self.accelerator.gather(own).amax(0)]

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        """The mean of each value over the processes, which all call this together with the same names."""
        if self.accelerator.num_processes == 1 or not values:
            return values
        own = torch.tensor([list(values.values())], dtype=torch.float64, device=self.accelerator.device)
        return dict(zip(values, self.accelerator.gather(own).mean(0).tolist(), strict=True))
