"""Temporary signal handlers."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

INTERRUPT, TERMINATE = signal.SIGINT, signal.SIGTERM
HANG_UP = getattr(signal, "SIGHUP", None)  # only on POSIX


@contextmanager
def handle_signals(numbers: Sequence[int | None], handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Call `handler(number, frame)` on these signals inside the block; afterwards the previous handlers are restored.

    Ignored signals stay ignored, as under nohup. Outside the main thread Python cannot catch signals, and the block
    changes nothing.
    """
    main_thread = threading.current_thread() is threading.main_thread()
    present = [number for number in numbers if number is not None and main_thread]
    before = {n: signal.signal(n, handler) for n in present if signal.getsignal(n) is not signal.SIG_IGN}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
