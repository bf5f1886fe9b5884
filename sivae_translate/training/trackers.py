"""Experiment trackers, which show a run beside others: TensorBoard, Weights & Biases and trackio, through Accelerate.

A tracker that fails while training is left alone from then on: `log.jsonl` has the figures anyway.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import tracking
from PIL import Image

from sivae_translate.errors import SivaeError, UsageError, did_you_mean, one_line
from sivae_translate.extras import require
from sivae_translate.progress import Display
from sivae_translate.recipe import Recipe

TRACKERS = ("tensorboard", "wandb", "trackio")
"""Names of trackers, of the packages they need, and of the extras that install these."""
PROJECT = "sivae-translate"


def tracker_names(log: str | Sequence[str]) -> tuple[str, ...]:
    """The trackers of a comma-separated text, or of several.

    Raises:
        UsageError: no such tracker, or its package cannot be imported.
    """
    texts = [log] if isinstance(log, str) else log
    names = dict.fromkeys(name.strip() for text in texts for name in text.split(",") if name.strip())
    for name in names:
        if name not in TRACKERS:
            raise UsageError(f"no tracker {name!r}: {did_you_mean(name, list(TRACKERS))}")
        require(name, name)
    return tuple(names)


class Trackers:
    """The trackers of a run; see `tracked`."""

    def __init__(self, display: Display) -> None:
        self.display = display
        self.started: list[Any] = []

    def write(self, row: Mapping[str, float]) -> None:
        """Log a line of `log.jsonl`."""
        self._each(lambda tracker: tracker.log(dict(row), step=step_of(tracker, int(row["images"]))))

    def show(self, grids: Mapping[str, Image.Image], images: int) -> None:
        """Log sample grids by kind, where the tracker takes pictures."""

        def log(tracker: Any) -> None:
            if tracker.name == "tensorboard":
                pixels = {kind: np.asarray(grid)[None] for kind, grid in grids.items()}
                tracker.log_images(pixels, step=images, dataformats="NHWC")
            elif tracker.name == "wandb":
                tracker.log({kind: pictures_of(grid) for kind, grid in grids.items()} | {"images": images})

        self._each(log)

    def finish(self) -> None:
        self._each(lambda tracker: tracker.finish())

    def _each(self, use: Callable[[Any], None]) -> None:
        for tracker in list(self.started):
            try:
                use(tracker)
            except Exception as error:  # of a package and a service that are not ours
                self.started.remove(tracker)
                self.display.note(f"{tracker.name} failed ({one_line(error)}): training goes on without it")


@contextmanager
def tracked(names: Sequence[str], run: Path, recipe: Recipe, display: Display) -> Iterator[Trackers]:
    """The trackers of a block that trains, started with the settings of the run.

    Raises:
        SivaeError: a tracker cannot start, such as one without an account or a network.
    """
    trackers = Trackers(display)
    try:
        for name in names:
            with redirect_stdout(sys.stderr):  # stdout is for results
                trackers.started.append(start(name, run, recipe))
        yield trackers
    finally:
        with redirect_stdout(sys.stderr):
            trackers.finish()


def start(name: str, run: Path, recipe: Recipe) -> Any:
    """A started tracker; TensorBoard's and wandb's files are in the run's folder."""
    title = run.resolve().name
    try:
        if name == "tensorboard":
            tracker: Any = tracking.TensorBoardTracker(name, logging_dir=run)
        elif name == "wandb":
            tracker = tracking.WandBTracker(PROJECT, name=title, dir=str(run), settings={"console": "off"})
        else:
            tracker = tracking.TrackioTracker(PROJECT, name=title)
        tracker.start()
        if name == "wandb":  # its own steps must rise, and a run that diverged goes back
            tracker.tracker.define_metric("*", step_metric="images")
        tracker.store_init_configuration(settings_of(recipe))
    except Exception as error:  # each package has errors of its own
        offline = ", or set WANDB_MODE=offline" if name == "wandb" else ""
        raise SivaeError(f"{name} cannot start ({one_line(error)}): train without --log {name}{offline}") from error
    return tracker


def step_of(tracker: Any, images: int) -> int | None:
    """The step of a line; wandb and trackio have the number of images among the figures."""
    return images if tracker.name == "tensorboard" else None


def pictures_of(grid: Image.Image) -> Any:
    import wandb

    return wandb.Image(grid)


def settings_of(recipe: Recipe) -> dict[str, str | int | float | bool]:
    """The settings of a recipe by "section.key", lists as text."""
    sections = recipe.sections()
    return {
        f"{section}.{key}": value if isinstance(value, str | int | float) else str(value)
        for section, settings in sections.items()
        if isinstance(settings, Mapping)
        for key, value in settings.items()
    }
