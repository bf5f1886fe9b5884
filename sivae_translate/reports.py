"""A report in a folder: `report.json` and files beside it, which replace an earlier report of the same kind alone."""

from __future__ import annotations

import json
import os
import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sivae_translate.atomic import write_text_atomic
from sivae_translate.errors import UsageError

FILE = "report.json"
MADE_BY = "sivae-translate"  # the mark of our reports, as other programs write a report.json too
MAX_BYTES = 100_000_000


def report_folder(out: Path, kind: str) -> Path:
    """A folder for a report, made if it is missing. The call comes before long work, so that the work is not lost.

    Args:
        kind: the command that reports, such as "evaluate".

    Raises:
        UsageError: a file, a folder that cannot be written, or one with files but without a report of this kind.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file: expected a folder for the report; choose another with --out")
    require_writable(out)
    if any(out.iterdir()) and not is_report(out / FILE, kind):
        free = shlex.quote(str(free_name(out)))
        raise UsageError(f"{out} holds other files, and nothing is overwritten: choose another with --out {free}")
    return out


def require_writable(folder: Path) -> None:
    """Make a folder if it is missing. Raises UsageError where no file can be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"cannot write to {folder} ({error.strerror}): choose another with --out") from None


def begin_report(out: Path, kind: str) -> None:
    """Mark a folder as ours before its other files are written, so that an interrupted command can be run again."""
    if not is_report(out / FILE, kind):
        write_report(out, kind, {"unfinished": True})


def write_report(out: Path, kind: str, report: Mapping[str, Any]) -> None:
    """Write `report.json` with our mark, atomically."""
    write_text_atomic(out / FILE, json.dumps({"made_by": MADE_BY, "kind": kind, **report}, indent=2) + "\n")


def is_report(file: Path, kind: str) -> bool:
    """Whether a file is a report of ours of this kind."""
    try:
        report = json.loads(file.read_text(encoding="utf-8")) if file.stat().st_size <= MAX_BYTES else None
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(report, dict) and (report.get("made_by"), report.get("kind")) == (MADE_BY, kind)


def free_name(path: Path) -> Path:
    """The first of `name-2`, `name-3`, ... that does not exist, with the suffix of `path`."""
    named = path if path.name else Path(os.path.abspath(path))
    n = 2
    while (free := named.parent / f"{named.stem}-{n}{named.suffix}").exists():
        n += 1
    return free
