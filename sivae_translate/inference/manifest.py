"""`manifest.jsonl`: a row for each input and target of a translated folder, so that a stopped call can be resumed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from filelock import FileLock, Timeout

from sivae_translate.errors import UsageError

MANIFEST = "manifest.jsonl"
ROW = b'{"input": '  # the beginning of every line


@dataclass(frozen=True)
class Untranslated:
    """An input without output.

    Attributes:
        status: "failed", which the next call tries again, or "rejected", which is final.
        reason: short text.
    """

    status: str
    reason: str


class Manifest:
    """An open `manifest.jsonl`; see `open_manifest`."""

    def __init__(self, folder: Path, job: str, done: set[tuple[str, str]], file: TextIO) -> None:
        self.folder, self.job, self.done, self.file = folder, job, done, file

    def has(self, path: Path, target: str) -> bool:
        """Whether the translation of an input to a target is finished."""
        return (os.path.abspath(path), target) in self.done

    def add(self, path: Path, target: str, output: Path, untranslated: Untranslated | None) -> str:
        """Write the row of an input and a target, and return its status: "ok", "failed" or "rejected"."""
        status = untranslated.status if untranslated else "ok"
        row = {
            "input": os.path.abspath(path),
            "target": target,
            "output": output.relative_to(self.folder).as_posix() if status == "ok" else "",
            "status": status,
            "reason": untranslated.reason if untranslated else "",
            "job": self.job,
        }
        self.file.write(json.dumps(row) + "\n")
        self.file.flush()
        return status


@contextmanager
def open_manifest(folder: Path, job: str) -> Iterator[Manifest]:
    """Open and lock the manifest of a job in this folder.

    Rows of an earlier call are kept if the output exists or the input was rejected. Rows of failed inputs are deleted,
    as those inputs are tried again.

    Args:
        job: hash of everything that determines an output besides the input; see `folder.fingerprint`.

    Raises:
        UsageError: the folder holds translations of another job, or another process is writing to it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / MANIFEST
    try:
        with FileLock(folder / ".lock", timeout=0):
            done = keep_finished(path, job)
            with path.open("a") as file:
                yield Manifest(folder, job, done, file)
    except Timeout:
        raise UsageError(f"another process is translating into {folder}: choose another with --out") from None


def keep_finished(path: Path, job: str) -> set[tuple[str, str]]:
    """Delete the unfinished rows of a manifest, and return (input, target) of the others."""
    done, kept = set(), []
    lines = path.read_bytes().splitlines() if path.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
            same, status = entry["job"] == job, entry["status"]
            key, output = (entry["input"], entry["target"]), path.parent / entry["output"]
        except (ValueError, KeyError, TypeError):
            if number == len(lines) and line.startswith(ROW[: len(line)]):
                break  # an earlier call was killed while writing it
            raise UsageError(f"{path} is no manifest of translations: choose another folder with --out") from None
        if not same:
            raise UsageError(
                f"{path.parent} holds translations by another model, style or format, or with another threshold: "
                "choose another with --out"
            )
        if status == "rejected" or (status == "ok" and output.exists()):
            done.add(key)
            kept.append(json.dumps(entry) + "\n")
    temporary(path).write_text("".join(kept))
    os.replace(temporary(path), path)
    return done


def temporary(output: Path) -> Path:
    """The temporary file of an output, with a short name that depends on the output's name alone."""
    return output.with_name(f".tmp-{hashlib.sha256(os.fsencode(output.name)).hexdigest()[:16]}")
