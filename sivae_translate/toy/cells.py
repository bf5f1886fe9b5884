"""Many runs in the plane, in parallel. Reports of finished runs are kept, so that the same call resumes."""

from __future__ import annotations

import json
import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import torch

from sivae_translate.checkpoint import write_text_atomic
from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.progress import Display
from sivae_translate.toy.experiment import Report, run
from sivae_translate.toy.metrics import NotFiniteError
from sivae_translate.toy.settings import Settings, resolve
from sivae_translate.training.optimizers import NonFiniteLossError


@dataclass(frozen=True)
class Cell:
    """One run, and the file of its report, relative to the folder of all runs."""

    settings: Settings
    file: Path


def cell(objective: str, dataset: str, seed: int, steps: int | None, *overrides: str) -> Cell:
    training = {"seed": seed} if steps is None else {"seed": seed, "steps": steps}
    name = "_".join([objective, dataset, str(seed), *overrides])
    return Cell(resolve(objective, dataset, overrides, **training), Path("cells", f"{name}.json"))


def run_cells(cells: Sequence[Cell], out: Path, jobs: int, display: Display) -> list[Report]:
    """The reports of all cells, in order. Missing reports are computed and written to `out`.

    Raises:
        UsageError: a file in `out` is broken, or of other settings.
        SivaeError: the system killed a process.
    """
    reports = {c: read(out / c.file, c.settings) for c in cells if (out / c.file).exists()}
    missing = [c for c in cells if c not in reports]
    (out / "cells").mkdir(parents=True, exist_ok=True)
    display.note(f"{len(cells):,} runs, {len(reports):,} of them done before")
    for done, report in computed(missing, jobs):
        write_text_atomic(out / done.file, json.dumps(report, indent=2) + "\n")
        reports[done] = report
        display.step(len(reports) / len(cells), f"{len(reports):,} of {len(cells):,} runs")
    return [reports[c] for c in cells]


def read(file: Path, settings: Settings) -> Report:
    try:
        report: Report = json.loads(file.read_text())
    except ValueError:
        raise UsageError(f"{file} is broken: delete it, and it is run again") from None
    if any(report.get(key) != value for key, value in settings.to_dict().items()):
        raise UsageError(f"{file} is of other settings: expected the same to resume; choose another folder with --out")
    return report


def computed(cells: Sequence[Cell], jobs: int) -> Iterator[tuple[Cell, Report]]:
    """Every cell with its report, in the order of completion."""
    if jobs == 1:
        yield from ((c, report(c.settings)) for c in cells)
        return
    context = multiprocessing.get_context("spawn")  # a fork of a process that has used torch may hang
    with ProcessPoolExecutor(jobs, context, initializer=init_worker) as pool:
        futures = {pool.submit(report, c.settings): c for c in cells}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool:
            raise SivaeError(
                "a run was killed, for memory perhaps: the same command resumes; try fewer --jobs"
            ) from None
        finally:  # do not wait for unfinished runs
            for worker in multiprocessing.active_children():
                worker.terminate()


def init_worker() -> None:
    """Set up a worker process: a single thread, and Ctrl-C ignored, as the parent process handles it."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def report(settings: Settings) -> Report:
    """The report of `run`, or for diverged training the settings and the `error`."""
    try:
        return run(settings)[1]
    except (NonFiniteLossError, NotFiniteError) as error:
        return {**settings.to_dict(), "error": str(error)}
