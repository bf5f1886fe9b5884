"""The report of a run, written while it trains: `report.html` for people, `report.json` for programs."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from sivae_translate import reports
from sivae_translate.atomic import write_text_atomic
from sivae_translate.errors import SivaeError, one_line
from sivae_translate.pages.embed import embed
from sivae_translate.pages.tables import Table
from sivae_translate.pages.templates import START
from sivae_translate.progress import Display
from sivae_translate.recipe import Recipe, load_recipe
from sivae_translate.training.constructors import complete
from sivae_translate.training.directory import begins
from sivae_translate.training.facts import KIND, Evaluated, Facts, Status, now, read_facts
from sivae_translate.training.page import GRID_BYTES, MOMENTS, run_page
from sivae_translate.training.state import Budget, State

PAGE = "report.html"
FRESH = 30.0  # seconds between two updates at least
COST = 0.01  # largest fraction of the time spent on updates


class RunReport:
    """Writes the report of a run into its folder. What goes wrong is noted once, and never ends training.

    Args:
        run: the run's folder; None in all processes but the first, which write nothing.
        recipe: complete.
        state: where the run begins. A run that resumes keeps what its report knows.
        known: of `Facts`: trained_on, domains, machine.
    """

    def __init__(self, run: Path | None, recipe: Recipe, display: Display, state: State, **known: Any) -> None:
        self.run, self.recipe, self.display = run, recipe, display
        self.budget = Budget(recipe.training.images, recipe.training.minutes)
        before = read_facts(run) if run and state.images else None
        self.facts = (before or Facts(started=now())).model_copy(update={"recipe": recipe.name, **known})
        self.embedded = lru_cache(3 * MOMENTS)(lambda path, changed: embed(path, GRID_BYTES))
        self.due, self.failed = 0.0, False

    def __call__(self, state: State, last: bool) -> None:
        """Show where the run is, or how it has ended. Called at every step.

        Args:
            last: whether the run has spent its budget, or a signal has stopped it. Else an update is left out that
                comes early, or where updates would take more than `COST` of the time.
        """
        if last:
            self.write(state, "finished" if self.budget.progress(state) >= 1 else "interrupted")
        elif (began := time.monotonic()) >= self.due:
            if self.write(state, "running") and not self.due:
                self.display.note(f"watch this run: {self.run}/{PAGE}")
            ended = time.monotonic()
            self.due = ended + max(FRESH, (ended - began) / COST)

    @contextmanager
    def of_failures(self, state: Callable[[], State]) -> Iterator[None]:
        """A block that trains: an error that ends it is shown."""
        try:
            yield
        except KeyboardInterrupt:
            self.write(state(), "interrupted")
            raise
        except Exception as error:
            self.write(state(), "failed", one_line(error))
            raise

    def write(self, state: State, status: Status, reason: str = "") -> bool:
        """Write both files, and return whether they are written."""
        if self.run is None:
            return False
        left = self.budget.seconds_left(state)
        known = {"images": state.images, "seconds": state.seconds, "lr_scale": state.lr_scale, "updated": now()}
        known |= {"progress": self.budget.progress(state), "seconds_left": left if math.isfinite(left) else None}
        self.facts = self.facts.model_copy(update={**known, "status": status, "reason": reason}).with_peaks()
        try:
            write_report(self.run, self.recipe, self.facts, lambda path: self.embedded(path, path.stat().st_mtime_ns))
        except Exception as error:  # also one of ours: a page is not worth a run
            if not self.failed:
                why = getattr(error, "strerror", None) or one_line(error)
                self.display.note(f"{PAGE} cannot be written ({why}): training goes on without")
            self.failed = True
            return False
        return True


def write_report(run: Path, recipe: Recipe, facts: Facts, embedded: Callable[[Path], str] | None = None) -> None:
    """Write `report.json` and `report.html`.

    Raises:
        OSError: one cannot be written, or the log cannot be read.
        SivaeError: one is the file of somebody else, which is kept.
    """
    page, file = run / PAGE, run / reports.FILE
    ours = {page: page.is_file() and begins(page, START), file: reports.is_report(file, KIND)}
    for path, is_ours in ours.items():
        if os.path.lexists(path) and not is_ours:
            raise SivaeError(f"{path} is not a run's own: move it")
    facts.write(run)
    write_text_atomic(page, run_page(run, recipe, facts, embedded))


def show_evaluation(run: Path, page: Path, tables: Sequence[Table]) -> bool:
    """Show the figures of an evaluation of the run's model on the run's page, with a link to the evaluation.

    Args:
        page: of the evaluation.
        tables: its figures beside baselines.

    Returns:
        Whether the folder has a report, and can be written.
    """
    facts = read_facts(run)
    if facts is None:
        return False
    link = Path(os.path.relpath(page.resolve(), run.resolve())).as_posix()
    evaluated = Evaluated(page=link, images=facts.images, tables=[replace(table, notes={}) for table in tables])
    try:
        recipe = complete(load_recipe(run / "recipe.toml"))
        write_report(run, recipe, facts.model_copy(update={"evaluated": evaluated}))
    except (OSError, ValueError, SivaeError):  # ValueError: a path on another drive
        return False
    return True
