"""The peak memory of a call, on a GPU or in the process."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from pathlib import Path

import torch


def peak_megabytes(call: Callable[[], object], device: str) -> float | None:
    """MB that the second of two calls takes at most beyond those in use before it; None where it cannot be measured.

    On a CPU the figure is that of the process, which Linux with glibc can tell.
    """
    call()
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        return (torch.cuda.max_memory_allocated(device) - before) / 1e6
    try:
        ctypes.CDLL(None).malloc_trim(0)  # else the call takes memory that was freed and still belongs to the process
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
        before = _peak_bytes()
        call()
        return (_peak_bytes() - before) / 1e6
    except (AttributeError, OSError):
        return None


def _peak_bytes() -> int:
    """The largest resident size of this process since the last reset."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return 1024 * int(found[1]) if found else 0
