"""One run in the plane: training, metrics and files."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import torch

from sivae_translate.errors import SivaeError
from sivae_translate.extras import require
from sivae_translate.progress import Display, Silent
from sivae_translate.reports import report_folder, write_report
from sivae_translate.toy.metrics import COLLAPSED, SAMPLES, NotFiniteError, judge, sample, theory
from sivae_translate.toy.plot import draw
from sivae_translate.toy.settings import Settings
from sivae_translate.toy.world import PlaneAutoencoder, train
from sivae_translate.training.optimizers import NonFiniteLossError
from sivae_translate.training.state import State

METRICS_SEED = 1 << 32  # metrics of all models use the same points
THEORY_POINTS = 20  # evaluations of `theory`, spread over a run
REFRESH = 0.5  # seconds between two updates of the display

Report = dict[str, Any]


class Monitor:
    """Monitors a run: `theory`, for a known density of the data, and the progress on the display."""

    def __init__(self, settings: Settings, display: Display) -> None:
        self.settings, self.display = settings, display
        self.course: list[dict[str, float]] = []
        self.shown = 0.0

    def __call__(self, model: PlaneAutoencoder, state: State, progress: float) -> None:
        dataset = self.settings.dataset
        if dataset.log_density is not None and progress * THEORY_POINTS >= len(self.course):
            now = theory(model, dataset, torch.Generator().manual_seed(METRICS_SEED))
            self.course.append({"step": state.step, **now})
        if progress >= 1 or time.monotonic() - self.shown >= REFRESH:
            self.shown = time.monotonic()
            self.display.step(progress, f"{state.step:,} of {self.settings.training.steps:,} steps")


def run(settings: Settings, display: Display | None = None) -> tuple[PlaneAutoencoder, Report]:
    """Train a model and compute its metrics.

    Returns:
        The model and its report: the settings, `seconds` of training, the metrics of `judge`, `collapsed` and `course`.
        `collapsed` is whether coverage is below `COLLAPSED`. `course` lists the values of `theory` over the run, if the
        density of the data is known.

    Raises:
        NonFiniteLossError, NotFiniteError: training diverged.
    """
    monitor, started = Monitor(settings, display or Silent()), time.monotonic()
    model = train(settings, monitor)
    seconds = time.monotonic() - started
    figures = judge(model, settings.dataset, torch.Generator().manual_seed(METRICS_SEED))
    collapsed = figures["coverage"] < COLLAPSED
    return model, {
        **settings.to_dict(), "seconds": round(seconds, 1), **figures, "collapsed": collapsed, "course": monitor.course
    }  # fmt: skip


def run_toy(settings: Settings, out: Path, display: Display | None = None) -> Report:
    """`run`, with the files `report.json`, `samples.csv` (points of the model) and `density.png` in a folder.

    Raises:
        UsageError: matplotlib is not installed. Nothing has been written.
        SivaeError: training diverged.
    """
    require("matplotlib", "plots")
    report_folder(out, "toy")
    try:
        model, report = run(settings, display)
    except (NonFiniteLossError, NotFiniteError) as error:
        lr = settings.training.lr
        raise SivaeError(f"{error}: lower training.lr (now {lr:g}) or the objective's weights with --set") from None
    write_report(out, "toy", report)
    points = sample(model, SAMPLES, torch.Generator().manual_seed(settings.training.seed))
    with (out / "samples.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("x", "y"), *points.tolist()])
    draw(out / "density.png", model, settings.dataset, points, report["course"])
    return report


def result_line(report: Report) -> str:
    """The metrics of a run in one line."""
    objective, training = report["objective"]["name"], report["training"]
    return (
        f"{objective} on {report['dataset']}, {training['steps']:,} steps in {report['seconds']:.0f} s: "
        f"KL {report['kl']:.2f} (data {report['kl_baseline']:.2f}), "
        f"JSD {report['jsd']:.2f} (data {report['jsd_baseline']:.2f}), ELBO {report['elbo']:.2f} nats, "
        f"covers {report['coverage']:.0%} of the data{' (collapsed)' if report['collapsed'] else ''}"
    )
