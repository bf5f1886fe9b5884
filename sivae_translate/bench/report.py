"""All benchmarks by name, and their report: ratios with the machine, the versions and the date, as JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import torch

from sivae_translate.bench.folder import folder_ratios
from sivae_translate.bench.growth import growth_ratios
from sivae_translate.bench.loader import loader_ratios
from sivae_translate.bench.ratio import Ratio
from sivae_translate.bench.recompute import recompute_ratios
from sivae_translate.bench.startup import startup_ratios
from sivae_translate.bench.step import step_ratios
from sivae_translate.device import pick_device, pick_precision
from sivae_translate.errors import UsageError, did_you_mean

BENCHMARKS: dict[str, Callable[[str], Iterator[Ratio]]] = {
    "step": step_ratios,
    "recompute": recompute_ratios,
    "loader": loader_ratios,
    "folder": folder_ratios,
    "startup": startup_ratios,
    "growth": growth_ratios,
}
"""Name -> a function from a device to its ratios, each yielded as soon as it is measured."""


def run_benchmarks(
    names: Sequence[str], device: str = "auto", show: Callable[[Ratio], None] = lambda ratio: None
) -> dict[str, Any]:
    """Run benchmarks, one after the other.

    Args:
        names: keys of `BENCHMARKS`; none for all.
        device: "auto", "cpu", "cuda" or "cuda:1".
        show: called with each ratio once it is measured.

    Returns:
        "machine": what was measured on; "ratios": a list of ratios, with the benchmark's name as "benchmark".

    Raises:
        UsageError: an unknown name or an unavailable device.
    """
    for name in names:
        if name not in BENCHMARKS:
            raise UsageError(f"no benchmark {name!r}: {did_you_mean(name, list(BENCHMARKS))}")
    device = pick_device(device)
    ratios: list[dict[str, Any]] = []
    for name in names or BENCHMARKS:
        for ratio in BENCHMARKS[name](device):
            show(ratio)
            ratios.append({"benchmark": name, **asdict(ratio)})
    return {"machine": machine(device), "ratios": ratios}


def machine(device: str) -> dict[str, Any]:
    """What the figures depend on, and the date."""
    return {
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.processor() or device,
        "precision": pick_precision("auto", device),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
