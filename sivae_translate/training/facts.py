"""What is known of a run beside its log: `report.json` of kind "train", which the run's page shows."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Literal

import torch
from accelerate import Accelerator
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sivae_translate import reports
from sivae_translate.errors import SivaeError
from sivae_translate.memory import peak_bytes, peak_gpu_bytes
from sivae_translate.pages.tables import Table
from sivae_translate.training.trainer_file import Count
from sivae_translate.untrusted import read_json

KIND = "train"

Status = Literal["running", "finished", "interrupted", "failed"]


class Evaluated(BaseModel):
    """An evaluation of the run's model.

    Attributes:
        page: of the evaluation, from the run's folder on.
        images: that the model had seen.
        tables: its figures beside baselines.
    """

    page: str
    images: int
    tables: list[Table]


class Facts(BaseModel):
    """What is known of a run at a time.

    Attributes:
        reason: why a run has failed; "" for others.
        recipe: name of the recipe, or of its file without the ending.
        images: seen by all processes together.
        seconds: of training, without reading images or pauses between runs.
        progress: fraction of the budget that is spent, in [0, 1].
        seconds_left: by the speed so far; None where that is not known.
        lr_scale: 1, halved each time that training diverged and went back.
        trained_on: number of training images.
        domains: number of domains.
        machine: what it runs on, in a few words each.
        peak_memory: bytes, of all processes that trained this run the largest; 0 where unknown.
        peak_gpu_memory: bytes of tensors on one GPU; 0 for none.
        started, updated: times, UTC, such as "2026-11-29 02:40:07".
        evaluated: the last evaluation of the model.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    status: Status = "running"
    reason: str = ""
    recipe: str = ""
    images: Count = 0
    seconds: Annotated[float, Field(ge=0)] = 0
    progress: Annotated[float, Field(ge=0, le=1)] = 0
    seconds_left: float | None = None
    lr_scale: Annotated[float, Field(gt=0, le=1)] = 1
    trained_on: Count = 0
    domains: Count = 0
    machine: list[str] = []
    peak_memory: Count = 0
    peak_gpu_memory: Count = 0
    started: str = ""
    updated: str = ""
    evaluated: Evaluated | None = None

    def write(self, run: Path) -> None:
        """Write `report.json` into the run's folder. Raises OSError."""
        reports.write_report(run, KIND, self.model_dump())

    def with_peaks(self) -> Facts:
        """These facts with the memory that this process has taken, where that is more."""
        peaks = {"peak_memory": peak_bytes(), "peak_gpu_memory": peak_gpu_bytes()}
        return self.model_copy(update={name: max(peak, getattr(self, name)) for name, peak in peaks.items()})


def read_facts(run: Path) -> Facts | None:
    """The facts in a run's folder; None where there are none, or where the file is damaged or none of ours."""
    file = run / reports.FILE
    if not reports.is_report(file, KIND):
        return None
    try:
        return Facts.model_validate(read_json(file))
    except (OSError, SivaeError, ValidationError):
        return None


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")


def describe_machine(accelerator: Accelerator, precision: str) -> list[str]:
    """Device, precision and versions."""
    device = accelerator.device
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    elif device.type == "cpu":
        threads = torch.get_num_threads()
        name = f"{threads} CPU thread{'s' if threads > 1 else ''} ({torch.backends.cpu.get_cpu_capability()})"
    else:
        name = device.type
    try:
        ours = f"sivae-translate {version('sivae-translate')}"
    except PackageNotFoundError:  # run from its sources
        ours = "sivae-translate"
    count = accelerator.num_processes
    processes = [f"{count} processes"] if count > 1 else []
    return [name, *processes, precision, ours, f"PyTorch {torch.__version__}"]
