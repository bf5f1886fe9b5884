"""The processes that train one model together, as Accelerate sets them up."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState


def new_accelerator(device: str, precision: str) -> Accelerator:
    """An Accelerator without the settings of an earlier run in this process; the process group is kept."""
    if device.startswith("cuda:"):
        torch.cuda.set_device(device)
    AcceleratorState._reset_state(reset_partial_state=not torch.distributed.is_initialized())
    return Accelerator(mixed_precision="no" if precision == "fp32" else precision, cpu=device == "cpu")


def leave_processes() -> None:
    """Leave the process group of a launcher, whose threads must not outlive the interpreter."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
