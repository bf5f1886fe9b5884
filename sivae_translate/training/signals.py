"""Stopping a run from outside without losing anything."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator

WATCHED = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


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

    @contextmanager
    def listening(self) -> Iterator[None]:
        """The first Ctrl-C, SIGTERM or SIGHUP asks to stop after the step at hand; a second one stops at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def ask(number: int, frame: Any) -> None:
            if self.signal is not None:
                raise KeyboardInterrupt
            self.signal = number

        heeded = [number for number in WATCHED if signal.getsignal(number) is not signal.SIG_IGN]  # nohup ignores one
        before = {number: signal.signal(number, ask) for number in heeded}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
