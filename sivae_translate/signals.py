"""Listening to signals for a while."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

INTERRUPT, TERMINATE = signal.SIGINT, signal.SIGTERM
HANG_UP = getattr(signal, "SIGHUP", None)  # POSIX alone has it


@contextmanager
def heeding(numbers: Sequence[int | None], handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Call `handler(number, frame)` on these signals; the handlers before come back afterwards.

    Signals that are ignored stay so, as under nohup; outside the main thread, where none can be caught, nothing is.
    """
    main_thread = threading.current_thread() is threading.main_thread()
    present = [number for number in numbers if number is not None and main_thread]
    before = {n: signal.signal(n, handler) for n in present if signal.getsignal(n) is not signal.SIG_IGN}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
