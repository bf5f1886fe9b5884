"""Recognise that memory ran out, which PyTorch reports by errors of several types."""

from __future__ import annotations

import gc

import torch

SIGNS = ("out of memory", "DefaultCPUAllocator", "ALLOC_FAILED")


def ran_out(error: BaseException) -> bool:
    """Whether an error says that the memory of the machine or of the device ran out."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)


def free_memory() -> None:
    """Return unused memory of this process to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
