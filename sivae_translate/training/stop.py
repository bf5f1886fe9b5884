"""Signals that stop a run after the step at hand, so that it saves itself."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
from accelerate import Accelerator

from sivae_translate.signals import HANG_UP, INTERRUPT, TERMINATE, handle_signals


class Stop:
    """Whether a signal has asked the run to stop, and which."""

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator
        self.signal: int | None = None

    def asked(self) -> bool:
        """Whether to stop; all processes give the same answer, so all must ask."""
        if self.accelerator.num_processes > 1:
            asked = self.accelerator.gather(torch.tensor([self.signal or 0], device=self.accelerator.device))
            self.signal = int(asked.max()) or None
        return self.signal is not None

    def listening(self) -> AbstractContextManager[None]:
        """The first Ctrl-C, SIGTERM or SIGHUP asks to stop after the step at hand; a second one stops at once."""
        return handle_signals([INTERRUPT, TERMINATE, HANG_UP], self._ask)

    def _ask(self, number: int, frame: Any) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number
