"""A report in a folder: `report.json` and files beside it, which replace an earlier report and nothing else."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sivae_translate.errors import UsageError

FILE = "report.json"
MADE_BY = "sivae-translate"  # the mark of our reports, as other programs write a report.json too
MAX_BYTES = 100_000_000


def report_folder(out: Path) -> Path:
    """A folder for a report, made if it is missing. The call comes before long work, so that the work is not lost.

    Raises:
        UsageError: a file, a folder that cannot be written, or one with files but without a report of ours.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file: expected a folder for the report; choose another with --out")
    require_writable(out)
    if any(out.iterdir()) and not is_report(out / FILE):
        raise UsageError(
            f"{out} holds other files, and nothing is overwritten: choose another with --out {free_name(out)}"
        )
    return out


def require_writable(folder: Path) -> None:
    """Make a folder if it is missing. Raises UsageError where no file can be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"cannot write to {folder} ({error.strerror}): choose another with --out") from None


def write_report(out: Path, report: Mapping[str, Any]) -> None:
    """Write `report.json` with our mark."""
    (out / FILE).write_text(json.dumps({"made_by": MADE_BY, **report}, indent=2) + "\n", encoding="utf-8")


def is_report(file: Path) -> bool:
    """Whether a file is a report of ours."""
    try:
        report = json.loads(file.read_text(encoding="utf-8")) if file.stat().st_size <= MAX_BYTES else None
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(report, dict) and report.get("made_by") == MADE_BY


def free_name(path: Path) -> Path:
    """The first of `name-2`, `name-3`, ... that does not exist, with the suffix of `path`."""
    n = 2
    while (free := path.with_name(f"{path.stem}-{n}{path.suffix}")).exists():
        n += 1
    return free
