"""The settings of the process that calls us: public calls neither see nor change them.

Ours are: default dtype float32, default device cpu, gradients enabled, no autocast, no inference mode. The default
dtype belongs to the whole process, so other threads see float32 until the last of our concurrent calls ends. The others
belong to a thread. Settings that trade precision for speed, such as TF32, stay the caller's.
"""

from __future__ import annotations

import inspect
import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

import numpy as np
import torch

AUTOCAST = ("cpu", "cuda", "mps")
DTYPE, DEVICE = torch.float32, torch.device("cpu")

C = TypeVar("C", bound=type)


class _DefaultDtype:
    """The default dtype of the process, ours while any call runs."""

    def __init__(self) -> None:
        self.lock, self.calls = threading.Lock(), 0
        self.callers: torch.dtype | None = None  # to restore

    def __enter__(self) -> None:
        with self.lock:
            self.calls += 1
            if torch.get_default_dtype() != DTYPE:
                self.callers = torch.get_default_dtype()
                torch.set_default_dtype(DTYPE)

    def __exit__(self, *error: object) -> None:
        with self.lock:
            self.calls -= 1
            if not self.calls and self.callers is not None:
                torch.set_default_dtype(self.callers)
                self.callers = None


_default_dtype = _DefaultDtype()


@contextmanager
def own_torch_state() -> Iterator[None]:
    """Run the block, or the decorated function, in our settings of torch."""
    with _default_dtype, ExitStack() as stack:
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        if not torch.is_grad_enabled():
            stack.enter_context(torch.enable_grad())
        if torch.get_default_device() != DEVICE:
            stack.enter_context(DEVICE)
        for kind in AUTOCAST:
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        yield


@contextmanager
def own_state() -> Iterator[None]:
    """As `own_torch_state`, for calls that seed or draw random numbers, or choose a GPU.

    The random states of `random`, NumPy and torch, and the current GPU, are restored.
    """
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    in_use = _cuda_in_use()
    gpus, current = (torch.cuda.get_rng_state_all(), torch.cuda.current_device()) if in_use else ([], 0)
    try:
        with own_torch_state():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)
        if in_use:
            torch.cuda.set_rng_state_all(gpus)
        else:  # CUDA may have started, or starts later with the last seed that was given
            torch.cuda.manual_seed_all(torch.initial_seed())
        if _cuda_in_use():
            torch.cuda.set_device(current)


def methods_in_own_torch_state(owner: C) -> C:
    """Decorate a class: its constructor and public methods run in `own_torch_state`."""
    for name, method in list(vars(owner).items()):
        if name.startswith("_") and name not in ("__init__", "__call__"):
            continue
        if isinstance(method, classmethod | staticmethod):
            setattr(owner, name, type(method)(own_torch_state()(method.__func__)))
        elif inspect.isfunction(method):
            setattr(owner, name, own_torch_state()(method))
    return owner


def _cuda_in_use() -> bool:
    """Whether this process has started CUDA. Asking for a state or a device would start it."""
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]
