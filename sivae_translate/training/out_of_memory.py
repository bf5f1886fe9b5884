"""Memory that ran out: PyTorch reports it by errors of several types, and users get one line."""

from __future__ import annotations

import gc

import torch

from sivae_translate.errors import SivaeError

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


def memory_error(reason: str, images: int, slices: int | None, *, saved: bool) -> SivaeError:
    """The error of a run whose memory ran out, which tells how to go on.

    Args:
        images: that the run has seen.
        slices: `training.accumulate` to go on with; None where more of them are not possible.
        saved: whether the run is saved.
    """
    where = f"at {images:,} images, {'which are' if saved else 'not'} saved" if images else "in the first step"
    more = f"run the same command with --set training.accumulate={slices}, which takes more time"
    return SivaeError(f"memory ran out {where} ({reason}): {more if slices else 'lower data.size'}")
