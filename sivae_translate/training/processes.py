"""The processes that train one model together, as Accelerate sets them up.

A launcher, `torchrun` or `accelerate launch`, gives each process all variables in `LAUNCHER`. Without one, training is
a single process, whatever variables a cluster or an earlier session has left. The recipe and the device determine all
other settings, so Accelerate's own variables are hidden from it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState, PartialState

from sivae_translate.errors import UsageError
from sivae_translate.host import own_state

LAUNCHER = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
SETTINGS = "(ACCELERATE|FSDP|MEGATRON_LM|PARALLELISM_CONFIG)_.*"  # variables that Accelerate reads
PROCESSES = (
    "RANK|WORLD_SIZE|LOCAL_RANK|LOCAL_WORLD_SIZE|MASTER_ADDR|MASTER_PORT|FORK_LAUNCHED"
    "|(PMI|OMPI_COMM_WORLD|MV2_COMM_WORLD)_.*|MPI_LOCAL(RANKID|NRANKS)"
)
REFUSED = {  # each shards a model's weights in its `forward`, and training calls `encode` and `decode`
    "ACCELERATE_USE_FSDP": "FSDP",
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "a parallelism config",
}


class RecipeAccelerator(Accelerator):  # type: ignore[misc]
    """An Accelerator without settings from the environment, which these methods read as the constructor does."""

    def __init__(self, **options: Any) -> None:
        with _hidden_settings():
            super().__init__(**options)

    def prepare(self, *args: Any, **options: Any) -> Any:
        """See `Accelerator.prepare`."""
        with _hidden_settings():
            return super().prepare(*args, **options)

    @contextmanager
    def autocast(self, *args: Any, **options: Any) -> Iterator[None]:
        """See `Accelerator.autocast`."""
        with ExitStack() as stack:
            with _hidden_settings():
                stack.enter_context(super().autocast(*args, **options))
            yield


@contextmanager
def own_run() -> Iterator[None]:
    """As `host.own_state`; what all Accelerators of the caller share is restored too."""
    shared = [state._shared_state for state in (PartialState, AcceleratorState, GradientState)]
    callers = [dict(state) for state in shared]
    try:
        with own_state():
            yield
    finally:
        for state, before in zip(shared, callers, strict=True):
            state.clear()
            state.update(before)


def new_accelerator(device: str, precision: str) -> Accelerator:
    """An Accelerator without the settings of an earlier run in this process; the process group is kept.

    Raises:
        UsageError: a launcher that asks for FSDP, DeepSpeed or the like, or for CPUs on another device, or that starts
            one process where several were asked for.
    """
    _refuse_lone_process(device)
    if launched():
        _refuse(device)
    if device.startswith("cuda:"):
        torch.cuda.set_device(device)
    AcceleratorState._reset_state(reset_partial_state=not torch.distributed.is_initialized())
    GradientState._reset_state()
    return RecipeAccelerator(mixed_precision="no" if precision == "fp32" else precision, cpu=device == "cpu")


def launched() -> bool:
    """Whether a launcher has started this process."""
    return all(os.environ.get(name) for name in LAUNCHER)


def process_count() -> int:
    """The number of processes that a launcher has started on all machines; 1 without a launcher."""
    return int(os.environ["WORLD_SIZE"]) if launched() else 1


def local_processes() -> int:
    """The number of processes that a launcher has started on this machine; 1 without a launcher or where unknown."""
    count = os.environ.get("LOCAL_WORLD_SIZE", "") if launched() else ""
    return max(1, int(count)) if count.isdecimal() else 1


def is_first_process() -> bool:
    """Whether this process is the first of its launcher's, or has no launcher."""
    return not launched() or os.environ["RANK"] == "0"


def leave_processes() -> None:
    """Leave the process group of a launcher, whose threads must not outlive the interpreter."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _refuse_lone_process(device: str) -> None:
    """Raise UsageError under `accelerate launch --cpu --num_processes 2`, which starts a single process.

    Accelerate then sets an address, as for several processes, and no rank. An MPI that it starts gives ranks of its
    own, which training does not read.
    """
    address = os.environ.get("MASTER_ADDR") and os.environ.get("MASTER_PORT")
    if address and "ACCELERATE_USE_CPU" in os.environ and not (os.environ.keys() & {"RANK", "WORLD_SIZE"}):
        raise UsageError(
            "accelerate launch was asked for several processes and started one without a rank: start with "
            f"torchrun --nproc-per-node 2 -m sivae_translate train --device {device} --domains FOLDER"
        )


def _refuse(device: str) -> None:
    def asked(variable: str) -> bool:
        return os.environ.get(variable, "").lower() == "true"

    for variable, name in REFUSED.items():
        if asked(variable):
            count = os.environ.get("LOCAL_WORLD_SIZE", os.environ["WORLD_SIZE"])
            raise UsageError(
                f"the launcher asks for {name} ({variable}), and each GPU holds a whole model here: start with "
                f"torchrun --nproc-per-node {count} -m sivae_translate train --domains FOLDER"
            )
    if asked("ACCELERATE_USE_CPU") and device != "cpu":
        raise UsageError(f"the launcher asks for CPUs (ACCELERATE_USE_CPU), and device was {device}: add --device cpu")


@contextmanager
def _hidden_settings() -> Iterator[None]:
    """Hide Accelerate's settings in the environment, and without a launcher those of processes; restore them later."""
    hidden = re.compile(SETTINGS if launched() else f"{SETTINGS}|{PROCESSES}")

    def matching() -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if hidden.fullmatch(name)}

    before = matching()
    try:
        for name in before:
            del os.environ[name]
        yield
    finally:
        for name in matching():
            del os.environ[name]
        os.environ.update(before)
