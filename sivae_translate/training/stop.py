"""Signals that stop a run after the current step, so that it is saved."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
from accelerate import Accelerator

from sivae_translate.signals import HANG_UP, INTERRUPT, TERMINATE, handle_signals


class Stop:
    """The signal that stops a run, if any."""

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator
        self.signal: int | None = None
        self.at_once = False

    def asked(self) -> bool:
        """Whether to stop. All processes must call this together, and get the same result."""
        if self.accelerator.num_processes > 1:
            asked = self.accelerator.gather(torch.tensor([self.signal or 0], device=self.accelerator.device))
            agreed = int(asked.max())
            self.signal = agreed or self.signal  # a signal that arrived while this one waited counts at the next step
            return agreed != 0
        return self.signal is not None

    def listening(self) -> AbstractContextManager[None]:
        """A context in which Ctrl-C, SIGTERM or SIGHUP stops the run after the current step, a second one at once.

        Further signals are ignored, so that temporary files are deleted.
        """
        return handle_signals([INTERRUPT, TERMINATE, HANG_UP], self._ask)

    def _ask(self, number: int, frame: Any) -> None:
        if self.signal is None:
            self.signal = number
        elif not self.at_once:
            self.at_once = True
            raise KeyboardInterrupt(number)
