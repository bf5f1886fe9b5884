"""The log of a run: means of the terms, `log.jsonl` and `results.csv`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from torch import Tensor


class Means:
    """Means of the terms between two lines of the log. The sums stay on the device until `take`."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, terms: dict[str, Tensor]) -> None:
        for name, value in terms.items():
            self.sums[name] = self.sums[name] + value.detach() if name in self.sums else value.detach()
            self.counts[name] = self.counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        """Return the means and reset the sums."""
        means = {name: float(total) / self.counts[name] for name, total in self.sums.items()}
        self.sums, self.counts = {}, {}
        return means


class LogFiles:
    """`log.jsonl`, a JSON object a line, and `results.csv`, the same for a spreadsheet. A resumed run appends. Terms
    beyond `COLUMNS` are in `log.jsonl` alone."""

    COLUMNS = (
        "images", "seconds", "lr", "images_per_s", "rec", "kl_real", "kl_rec", "kl_sample", "kl_translation", "gap",
        "adversarial",
    )  # fmt: skip

    def __init__(self, run: Path) -> None:
        self.jsonl, self.csv = run / "log.jsonl", run / "results.csv"

    def write(self, row: dict[str, float]) -> None:
        with self.jsonl.open("a") as file:
            file.write(json.dumps(row) + "\n")
        new = not self.csv.exists()
        with self.csv.open("a", newline="") as file:
            writer = csv.DictWriter(file, self.COLUMNS, restval="", extrasaction="ignore")
            if new:
                writer.writeheader()
            writer.writerow({name: f"{value:.6g}" for name, value in row.items()})
