"""`heldout.jsonl`, the held-out figures of a run, and `model-best/`, the model with the best of them."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sivae_translate import checkpoint
from sivae_translate.data.images import Frame
from sivae_translate.errors import SivaeError
from sivae_translate.models import Autoencoder
from sivae_translate.models.pretrained import save_model
from sivae_translate.training.heldout import Figures, HeldOutFigures
from sivae_translate.training.log import append, whole_objects
from sivae_translate.training.state import State

CHECKPOINTS = 20  # at which figures are measured at most, evenly spread over the budget
MEASURING = 0.03  # largest fraction of the time spent on it; the last checkpoint is always measured
LOG, BEST = "heldout.jsonl", "model-best"


class Choice:
    """Measures the models of a run, logs the figures, and keeps the best model.

    A row of the log has the images seen, the seconds, the figures and baselines of `HeldOutFigures`, and "best": true
    where its model became the best. The best figure is kept with the model, so that a resumed run compares with it.

    Args:
        run: the run's directory.
        settings, frame: see `save_model`.
        images: images seen so far. Rows of more are deleted.
        note: shows a line on each row, and on files that cannot be written, without which training goes on.
    """

    def __init__(
        self,
        run: Path,
        heldout: HeldOutFigures,
        settings: dict[str, Any],
        frame: Frame,
        images: int,
        note: Callable[[str], None],
    ) -> None:
        self.heldout, self.settings, self.frame, self.note = heldout, settings, frame, note
        self.log, self.folder, self.measured = run / LOG, run / BEST, 0
        self.least_loss = self._least_loss_before()
        self.ended, self.took = -math.inf, 0.0
        self._attempt(lambda: self._keep(images))

    def _least_loss_before(self) -> float:
        """The figure of the model that an earlier part of this run chose by the same images; the worst for none."""
        try:
            figures = checkpoint.load(self.folder, [], ["figures"])[1]["figures"]
            same = figures["heldout"] == self.heldout.fingerprint()
            return self._loss(figures) if same else math.inf
        except (SivaeError, LookupError, TypeError):
            return math.inf

    def _keep(self, images: int) -> None:
        """Delete half-written rows of the log, and rows of more images."""
        if self.log.is_file():
            text = self.log.read_text(encoding="utf-8", errors="replace")
            kept = whole_objects(text.splitlines(keepends=True), images)
            self.measured = json.loads(kept.splitlines()[-1])["images"] if kept else 0
            if kept != text:
                checkpoint.write_text_atomic(self.log, kept)

    def __call__(self, model: Autoencoder, state: State, last: bool) -> None:
        """Measure a model at a checkpoint; not where it was measured before, or so soon that it takes too much time.

        Args:
            model: the model that is saved.
            last: whether the budget is spent.
        """
        now = time.monotonic()
        if state.images == self.measured or not (last or now - self.ended >= self.took / MEASURING):
            return
        figures = self.heldout(model)
        self.ended, self.measured = time.monotonic(), state.images
        self.took = self.ended - now
        best = self.heldout.chooses and self._loss(figures) < self.least_loss
        row: dict[str, Any] = {"images": state.images, "seconds": state.seconds, **figures, **self.heldout.baselines}
        if best:
            about = {"criterion": self.heldout.criterion, "images_of": self.heldout.origin}
            about["heldout"] = self.heldout.fingerprint()
            best = self._attempt(
                lambda: save_model(self.folder, model, self.settings, self.frame, figures={**row, **about})
            )
        if best:
            self.least_loss, row["best"] = self._loss(figures), True
        self._attempt(lambda: append(self.log, json.dumps(row) + "\n"))
        self.note(f"held out at {state.images:,} images: {summary(figures)}{', the best so far' if best else ''}")

    def _loss(self, figures: Figures) -> float:
        """The criterion, lower for a better model; never better than another where it is not finite."""
        value = float(figures[self.heldout.criterion])
        value = -value if self.heldout.criterion == "psnr" else value
        return value if math.isfinite(value) else math.inf

    def _attempt(self, write: Callable[[], None]) -> bool:
        """Whether a file that training can do without was written. A failure is shown."""
        try:
            write()
        except (OSError, SivaeError) as error:
            reason = getattr(error, "strerror", None) or error
            self.note(f"{LOG} or {BEST}/ cannot be written ({reason}): training goes on without")
            return False
        return True


def summary(figures: Figures) -> str:
    """Figures for a note, such as "psnr 21.3, domain_accuracy 0.92"."""
    return ", ".join(f"{name} {value:.3g}" for name, value in figures.items())
