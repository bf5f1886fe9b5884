"""Commands on several GPUs: the same command in a process for each GPU, as `torchrun` starts them."""

from __future__ import annotations

import logging
import os
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sivae_translate.errors import UsageError


def require_gpus(count: int, device: str, name: str) -> None:
    """Raise UsageError where this machine lacks as many GPUs, another device is asked for, or a launcher runs already.

    Args:
        name: of the command.
    """
    import torch

    from sivae_translate.training.processes import launched, process_count

    if launched():
        raise UsageError(f"--gpus {count} in one of {process_count()} processes of a launcher: leave out --gpus")
    if device not in ("auto", "cuda"):
        raise UsageError(
            f"--gpus {count} with --device {device}: expected one of the two; for several processes on CPUs, start "
            f"torchrun --nproc-per-node 2 -m sivae_translate {name} --device cpu and the rest"
        )
    present = torch.cuda.device_count()
    if not present:
        raise UsageError(f"--gpus {count}: torch sees no GPU on this machine: leave out --gpus")
    if not 1 <= count <= present:
        raise UsageError(f"--gpus {count}: expected 1 to {present}, the GPUs of this machine")


def together(share: str | None, out: Path | None) -> Any:
    """The processes of a launcher that translate one folder, an `inference.together.Together`; None without a launcher.

    Raises:
        UsageError: a share, or an output that is one file, in one of several processes.
    """
    if "RANK" not in os.environ:
        return None
    from sivae_translate.inference.single import is_file_name
    from sivae_translate.inference.together import Together
    from sivae_translate.training.processes import launched, process_count

    if not launched() or process_count() == 1:
        return None
    if share is not None:
        raise UsageError(
            f"--share {share} in one of {process_count()} processes of a launcher, which share the inputs by "
            "themselves: leave out --share"
        )
    if out is not None and is_file_name(out):
        raise UsageError(f"--out {out} is one file for {process_count()} processes of a launcher: start without it")
    return Together.of_launcher()


def without_gpus(words: Sequence[str]) -> list[str]:
    """The words of a command without `--gpus N`."""
    end = words.index("--") if "--" in words else len(words)
    at = next(i for i, word in enumerate(words[:end]) if word.partition("=")[0] == "--gpus")
    return [*words[:at], *words[at + (1 if "=" in words[at] else 2) :]]


def launch(words: Sequence[str], processes: int) -> int:
    """Run a command of ours in several processes on this machine.

    Ctrl-C, SIGTERM and SIGHUP go on to the processes, which have half a minute to save and to end. Where one process
    fails, the others are ended.

    Returns:
        The exit code of the process that ended first with an error, or 0.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // processes)))  # each would take all cores
    logging.disable()  # the processes tell their errors themselves
    with TemporaryDirectory() as logs:
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=processes,
            run_id=uuid.uuid4().hex,
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(log_dir=str(Path(logs))),
        )
        try:
            elastic_launch(config, sys.executable)("-m", "sivae_translate", *words)
        except SignalException as error:
            return 128 + error.sigval
        except ChildFailedError as error:
            _, failure = error.get_first_failure()
            return failure.exitcode if failure.exitcode > 0 else 128 - failure.exitcode
    return 0
