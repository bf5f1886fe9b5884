"""Signals that stop a run after a step, so that it is saved."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from sivae_translate.errors import SivaeError
from sivae_translate.signals import HANG_UP, INTERRUPT, TERMINATE, handle_signals


class InterruptedRunError(SivaeError):
    """A signal has stopped the run, which is saved. `exit_code` is 128 plus the signal's number, as in shells."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


class Stop:
    """The signal that stops a run, if any.

    Attributes:
        received: by this process.
        signal: received by any process, once all have agreed to stop; see `agreement.Agreement`.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.signal: int | None = None
        self.at_once = False

    def asked(self) -> bool:
        """Whether to stop, the same in all processes."""
        return self.signal is not None

    def listening(self) -> AbstractContextManager[None]:
        """A context in which Ctrl-C, SIGTERM or SIGHUP stops the run after the current step, a second one at once.

        Further signals are ignored, so that temporary files are deleted.
        """
        return handle_signals([INTERRUPT, TERMINATE, HANG_UP], self._ask)

    def _ask(self, number: int, frame: Any) -> None:
        if self.received is None:
            self.received = number
        elif not self.at_once:
            self.at_once = True
            raise KeyboardInterrupt(number)
