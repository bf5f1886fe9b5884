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

MAX_LINE = 1 << 16  # bytes


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


def read_rows(path: Path, count: int) -> tuple[list[dict[str, float]], int]:
    """At most `count` rows of a `log.jsonl`, evenly spread over the file, and its last one.

    The time does not depend on the length of the file.

    Returns:
        The rows, each with "images", and the number of damaged lines among those read.

    Raises:
        OSError: the file cannot be read. A missing one has no rows.
    """
    if not path.is_file():  # or a device, which never ends
        return [], 0
    lines = []
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        for target in range(0, size, max(1, -(-size // count))):
            if file.tell() < target:
                file.seek(target - 1)
                file.readline(MAX_LINE)  # the rest of a line
            lines.append(file.readline(MAX_LINE))
        file.seek(max(file.tell(), size - MAX_LINE))
        lines += file.read(MAX_LINE).splitlines(keepends=True)[-1:]
    rows = [as_row(line) for line in lines if line.endswith(b"\n")]
    return [row for row in rows if row is not None], rows.count(None)


def as_row(line: bytes) -> dict[str, float] | None:
    """The numbers of a line of `log.jsonl`; None for a damaged line."""
    try:
        row = json.loads(line)
        numbers = {name: float(value) for name, value in row.items() if isinstance(value, int | float)}
    except (ValueError, AttributeError, OverflowError, RecursionError):
        return None
    return numbers if math.isfinite(numbers.get("images", math.nan)) else None
