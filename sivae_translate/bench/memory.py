"""The peak memory of a call, on a GPU or in the process."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import torch

from sivae_translate.memory import peak_bytes


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
        before = peak_bytes()
        call()
        return (peak_bytes() - before) / 1e6
    except (AttributeError, OSError):
        return None
