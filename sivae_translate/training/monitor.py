"""The monitor of a run: between steps it logs, draws sample grids, saves, and stops the run on a signal."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from sivae_translate.progress import Display, clock
from sivae_translate.recipe import Recipe
from sivae_translate.training.log import LogFiles, Means
from sivae_translate.training.loop import Terms
from sivae_translate.training.state import Budget, State

REFRESH = 0.5  # seconds between two updates of the display
SAVING = 0.1  # largest fraction of the time spent on saving; at 256 px on a CPU a save takes over a minute


class Monitor:
    """A callable for the argument `monitor` of `loop.train_loop`.

    Args:
        log: the log's files; None for all processes but the first.
        lr: returns the learning rate of the previous step.
        diagnose: returns advice from the means of the terms, or None; see `types.Objective`.
        asked_to_stop: returns whether to stop, the same in all processes.
        draw: draws the sample grids, from the number of images seen.
        save: saves the run, called in all processes at the same step.
        require_finite: called before the terms are read and before the run is saved; see `captured.StaticStep`.
        slowest: the largest value of all processes; called by all at the same step.
        average: the mean of each value over all processes; called by all at the same step.
        track: gets the lines of the log too, in the process that has the log's files.
        report: called at every step with the state and whether it is the last step; see `report.RunReport`.
        checkpoints: number of saves that are evenly spread over the budget, beside those by time.
    """

    def __init__(
        self,
        recipe: Recipe,
        budget: Budget,
        state: State,
        display: Display,
        log: LogFiles | None,
        *,
        lr: Callable[[], float],
        diagnose: Callable[[Mapping[str, float]], str | None],
        asked_to_stop: Callable[[], bool],
        draw: Callable[[int], None],
        save: Callable[[], None],
        require_finite: Callable[[], None] = lambda: None,
        slowest: Callable[[float], float] = float,
        average: Callable[[dict[str, float]], dict[str, float]] = dict,
        track: Callable[[Mapping[str, float]], None] = lambda row: None,
        report: Callable[[State, bool], None] = lambda state, last: None,
        checkpoints: int = 0,
    ) -> None:
        self.recipe, self.budget, self.display, self.log = recipe, budget, display, log
        self.lr, self.diagnose = lr, diagnose
        self.asked_to_stop, self.draw, self.save = asked_to_stop, draw, save
        self.require_finite, self.slowest, self.average = require_finite, slowest, average
        self.track, self.report = track, report
        self.failed: set[str] = set()
        self.means, self.line, self.advised = Means(), "", False
        if log is not None:
            self.attempt("log.jsonl or results.csv", lambda: log.keep(state.images))
        self.logged_images, self.drawn = state.images, int(budget.progress(state) * recipe.training.samples)
        self.logged_at = self.shown_at = time.monotonic()
        self.saved_at, self.pause = state.seconds, 60 * recipe.training.save_minutes
        self.checkpoints, self.passed, self.least_pause = checkpoints, int(budget.progress(state) * checkpoints), 0.0

    def __call__(self, state: State, progress: float, terms: Terms) -> bool:
        settings, stop = self.recipe.training, self.asked_to_stop()
        self.means.add(terms)
        last = stop or progress >= 1
        logs = bool(terms) and (last or state.images - self.logged_images >= settings.log_every)
        if logs:
            self.require_finite()
            self.write_log(state)
        if logs or (terms and time.monotonic() - self.shown_at >= REFRESH):
            self.show(state, progress)
        if terms and (progress >= 1 or progress * settings.samples >= self.drawn + 1):
            self.drawn = int(progress * settings.samples)
            self.attempt("samples/", lambda: self.draw(state.images))
        since = state.seconds - self.saved_at  # by the time that all processes agree on
        spread = progress * self.checkpoints >= self.passed + 1 and since >= self.least_pause
        if last or spread or since >= self.pause:
            self.passed, began = int(progress * self.checkpoints), time.monotonic()
            self.require_finite()
            self.save()
            took = self.slowest(time.monotonic() - began)
            self.saved_at = state.seconds + took
            self.pause = max(60 * settings.save_minutes, took / SAVING)
            self.least_pause = 2 * took / SAVING
        self.report(state, last)
        return stop

    def attempt(self, name: str, write: Callable[[], None]) -> None:
        """Write files that training can do without. The first failure of each name is shown."""
        try:
            write()
        except OSError as error:
            if name not in self.failed:
                self.display.note(f"{name} cannot be written ({error.strerror or error}): training goes on without")
            self.failed.add(name)

    def show(self, state: State, progress: float) -> None:
        self.shown_at = time.monotonic()
        pace = state.images / state.seconds if state.seconds else 0.0
        left = clock(self.budget.seconds_left(state))
        self.display.step(progress, f"{state.images:,} images  {pace:,.0f}/s  {left} left  {self.line}")

    def write_log(self, state: State) -> None:
        now, means = time.monotonic(), self.average(self.means.take())
        pace = (state.images - self.logged_images) / (now - self.logged_at)
        self.logged_at, self.logged_images = now, state.images
        if self.log is None:
            return
        log, row = self.log, {"images": state.images, "seconds": state.seconds, "lr": self.lr(), "images_per_s": pace}
        self.attempt("log.jsonl or results.csv", lambda: log.write(row | means))
        self.track(row | means)
        self.line = " ".join(f"{name} {value:.3g}" for name, value in means.items())
        advice = self.diagnose(means)
        if advice and not self.advised:
            self.display.note(advice)
        self.advised = advice is not None  # advice is repeated only after the terms have recovered
