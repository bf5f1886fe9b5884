"""The processes that train one model together, as Accelerate sets them up."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState


def new_accelerator(device: str, precision: str) -> Accelerator:
    """An Accelerator of its own: what an earlier run in this process chose is forgotten, but not its process group."""
    if device.startswith("cuda:"):
        torch.cuda.set_device(device)
    AcceleratorState._reset_state(reset_partial_state=not torch.distributed.is_initialized())
    return Accelerator(mixed_precision="no" if precision == "fp32" else precision, cpu=device == "cpu")


def leave_processes() -> None:
    """End this process's part in a launcher's group, where it has one: its threads must not outlive the interpreter."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
