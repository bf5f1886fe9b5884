"""`manifest.jsonl`: a row for every input and target of a translated folder, and what is already done."""

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
ROW = b'{"input": '  # how each of its lines begins


@dataclass(frozen=True)
class Refusal:
    """Why an input has no output: it "failed", and is tried again, or was "rejected", and is not."""

    status: str
    reason: str


class Manifest:
    """`manifest.jsonl` while it grows; see `open_manifest`."""

    def __init__(self, folder: Path, job: str, done: set[tuple[str, str]], file: TextIO) -> None:
        self.folder, self.job, self.done, self.file = folder, job, done, file

    def has(self, path: Path, target: str) -> bool:
        return (os.path.abspath(path), target) in self.done

    def add(self, path: Path, target: str, output: Path, refusal: Refusal | None) -> str:
        """Write the row of an input and a target; its status, "ok" where nothing was refused."""
        status = refusal.status if refusal else "ok"
        row = {
            "input": os.path.abspath(path),
            "target": target,
            "output": output.relative_to(self.folder).as_posix() if status == "ok" else "",
            "status": status,
            "reason": refusal.reason if refusal else "",
            "job": self.job,
        }
        self.file.write(json.dumps(row) + "\n")
        self.file.flush()
        return status


@contextmanager
def open_manifest(folder: Path, job: str) -> Iterator[Manifest]:
    """The manifest of a job in this folder, for this process alone. Rows of an earlier call are kept where the output
    is there, or the input was rejected; failures go, to be retried.

    Raises:
        UsageError: the folder holds translations by another model, style or format, or by another threshold, or
            another process is at work.
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
    """(input, target) of the finished rows, which are all that stays in the file."""
    done, kept = set(), []
    lines = path.read_bytes().splitlines() if path.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
            same, status = entry["job"] == job, entry["status"]
            key, output = (entry["input"], entry["target"]), path.parent / entry["output"]
        except (ValueError, KeyError, TypeError):
            if number == len(lines) and line.startswith(ROW[: len(line)]):
                break  # cut short when the run was killed
            raise UsageError(f"{path} is no manifest of translations: choose another folder with --out") from None
        if not same:
            raise UsageError(
                f"{path.parent} holds translations by another model, style or format, or another threshold to reject "
                "by: choose another with --out"
            )
        if status == "rejected" or (status == "ok" and output.exists()):
            done.add(key)
            kept.append(json.dumps(entry) + "\n")
    staged(path).write_text("".join(kept))
    os.replace(staged(path), path)
    return done


def staged(output: Path) -> Path:
    """Where an output lies until it is whole; a short name, and always the same, so that none is left behind."""
    return output.with_name(f".tmp-{hashlib.sha256(os.fsencode(output.name)).hexdigest()[:16]}")
