"""The device and the precision of a run."""

from __future__ import annotations

import time
from functools import cache

import torch
from torch import Tensor

from sivae_translate.errors import UsageError


def pick_device(device: str | torch.device) -> str:
    """ "auto", "cpu", "cuda", "cuda:1", "mps" -> the device to use. Raises UsageError for an unavailable device."""
    device = str(device)
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind = device.partition(":")[0]
    gpus = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    mps = ["mps"] if torch.backends.mps.is_available() else []
    present = ["cpu", "cpu:0", *gpus, *(["cuda"] if gpus else []), *mps, *(f"{name}:0" for name in mps)]
    if device not in present:
        there = ["cpu", *gpus, *mps]
        raise UsageError(f"device {device!r} is not there: expected one of auto, {', '.join(there)}")
    return device if kind == "cuda" else kind


def pick_precision(precision: str, device: str) -> str:
    """ "auto" -> bf16 where bf16 is faster than fp32 on the device, else fp32; other values are returned unchanged.

    Raises:
        UsageError: fp16 on a device other than a GPU.
    """
    if precision == "auto":
        faster = torch.cuda.is_bf16_supported() if device.startswith("cuda") else device == "cpu" and _cpu_likes_bf16()
        return "bf16" if faster else "fp32"
    if precision == "fp16" and not device.startswith("cuda"):
        raise UsageError(f"training.precision = 'fp16' on {device}: expected a GPU; use bf16, fp32 or auto")
    return precision


@cache
def _cpu_likes_bf16() -> bool:
    """Whether this CPU multiplies matrices faster in bf16 than in fp32.

    The AVX512-bf16 instructions alone do not decide: on AMD bf16 takes half the time of fp32, on Intel without AMX
    twice the time.
    """
    if not getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)():
        return False
    x = torch.ones(512, 512)
    return _seconds(x.bfloat16()) < _seconds(x)


def _seconds(x: Tensor) -> float:
    """Seconds of a matrix product: the least of 8, as the first includes the set-up and other processes interfere."""
    taken = []
    for _ in range(8):
        started = time.perf_counter()
        x @ x
        taken.append(time.perf_counter() - started)
    return min(taken)
