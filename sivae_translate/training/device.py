"""Where a run computes, and in which precision."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from sivae_translate.errors import UsageError


def pick_device(device: str) -> str:
    """ "auto", "cpu", "cuda", "cuda:1", "mps" -> the device to use. Raises UsageError where it is not there."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, index = device.partition(":")
    present = {
        "cpu": not index,
        "cuda": torch.cuda.is_available() and (not index or index in map(str, range(torch.cuda.device_count()))),
        "mps": torch.backends.mps.is_available() and not index,
    }
    if not present.get(kind):
        there = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        raise UsageError(f"device {device!r} is not there: expected one of auto, {', '.join(there)}")
    return device


def pick_precision(precision: str, device: str) -> str:
    """ "auto" -> bf16 where the device computes in it, else fp32; in Accelerate's words ("no" for fp32)."""
    if precision == "auto":
        native = torch.cuda.is_bf16_supported() if device.startswith("cuda") else _cpu_has_bf16() and device == "cpu"
        precision = "bf16" if native else "fp32"
    if precision == "fp16" and not device.startswith("cuda"):
        raise UsageError(f"training.precision = 'fp16' on {device}: expected a GPU; use bf16, fp32 or auto")
    return "no" if precision == "fp32" else precision


def _cpu_has_bf16() -> bool:
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


def new_accelerator(device: str, precision: str) -> Accelerator:
    """An Accelerator of its own: what an earlier run in this process chose is forgotten, but not its process group."""
    if device.startswith("cuda:"):
        torch.cuda.set_device(device)
    AcceleratorState._reset_state(reset_partial_state=not torch.distributed.is_initialized())
    return Accelerator(mixed_precision=precision, cpu=device == "cpu")
