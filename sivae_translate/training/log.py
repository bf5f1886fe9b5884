"""The log of a run: means of the terms, `log.jsonl` and `results.csv`."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from pathlib import Path

from torch import Tensor

from sivae_translate import checkpoint


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
    """`log.jsonl`, a JSON object a line, and `results.csv`, the same for a spreadsheet. Terms beyond `COLUMNS` are in
    `log.jsonl` alone.

    A resumed run calls `keep`, and appends.
    """

    COLUMNS = (
        "images", "seconds", "lr", "images_per_s", "rec", "kl_real", "kl_rec", "kl_sample", "kl_translation", "gap",
        "adversarial",
    )  # fmt: skip

    def __init__(self, run: Path) -> None:
        self.jsonl, self.csv = run / "log.jsonl", run / "results.csv"

    def keep(self, images: int) -> None:
        """Delete half-written rows, and rows of more than this number of images. Raises OSError."""
        for path, kept in ((self.jsonl, whole_objects), (self.csv, whole_rows)):
            if path.is_file():  # and no device
                text = path.read_text(encoding="utf-8", errors="replace")
                lines = kept(text.splitlines(keepends=True), images)
                if lines != text:
                    checkpoint.write_text_atomic(path, lines)

    def write(self, row: dict[str, float]) -> None:
        """Append a row to both files. Raises OSError where one cannot be written; the other may have the row."""
        text = io.StringIO()
        writer = csv.DictWriter(text, self.COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
        if not self.csv.exists() or self.csv.stat().st_size == 0:
            writer.writeheader()
        writer.writerow({name: f"{value:.6g}" for name, value in row.items()})
        try:
            append(self.jsonl, json.dumps(row) + "\n")
        finally:
            append(self.csv, text.getvalue())


def append(path: Path, text: str) -> None:
    """Append to a file, wholly or not at all. Raises OSError."""
    size = path.stat().st_size if path.is_file() else None
    try:
        with path.open("a", newline="", encoding="utf-8") as file:
            file.write(text)
    except OSError:
        if path.is_file():
            os.truncate(path, size or 0)
        raise


def whole_objects(lines: list[str], images: int) -> str:
    """The whole lines of `log.jsonl` up to a number of images."""

    def seen(line: str) -> float:
        try:
            return float(json.loads(line)["images"])
        except (ValueError, TypeError, LookupError, RecursionError):
            return math.inf

    return "".join(line for line in lines if line.endswith("\n") and seen(line) <= images)


def whole_rows(lines: list[str], images: int) -> str:
    """The head and the whole rows of `results.csv` up to a number of images."""
    if not lines or not lines[0].endswith("\n"):
        return ""
    commas = lines[0].count(",")

    def seen(line: str) -> float:
        try:
            return float(line.partition(",")[0]) if line.count(",") == commas else math.inf
        except ValueError:
            return math.inf

    return lines[0] + "".join(line for line in lines[1:] if line.endswith("\n") and seen(line) <= images)
