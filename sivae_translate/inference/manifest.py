"""`manifest.jsonl`: a row for each input and target of a translated folder, so that a stopped call can be resumed.

Finished work is recognised by content. A row holds the hashes of its input and of its output, and counts only for files
of these hashes, wherever the folders have moved. Rows without hashes, as earlier versions wrote them, prove nothing:
they are deleted, and their outputs count as files of somebody else.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import TextIO

from filelock import FileLock, Timeout

from sivae_translate.data.images import UnreadableImage, max_bytes, regular_file
from sivae_translate.data.listing import LeftOut
from sivae_translate.errors import UsageError
from sivae_translate.names import as_path, as_text

MANIFEST = "manifest.jsonl"
BEGINNING = b'{"input": '  # of every line


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the manifest.

    Attributes:
        input: absolute path of the input; as UTF-8, whatever the system's encoding, like `output`.
        target: name of the style; empty for a file that is left out.
        output: file relative to the manifest's folder; empty where there is none. A failed or rejected input keeps the
            output and the hashes of its earlier translation, if there is one.
        status: "ok", "failed", which the next call tries again, "rejected", or "left out".
        reason: short text; empty for "ok".
        job: hash of everything that determines an output besides the input; see `targets.fingerprint`.
        input_sha256, output_sha256: SHA-256 of the two files, in hexadecimal; empty where unknown.
    """

    input: str
    target: str
    output: str
    status: str
    reason: str
    job: str
    input_sha256: str = ""
    output_sha256: str = ""


class Manifest:
    """An open `manifest.jsonl`; see `open_manifest`."""

    def __init__(self, folder: Path, job: str, rows: list[Row], file: TextIO) -> None:
        self.folder, self.job, self.file, self.known = folder, job, file, set(rows)
        self.by_output = {row.output: row for row in rows if row.output}
        self.rejected = {(row.input_sha256, row.target): row for row in rows if not row.output}

    def row_of(self, output: Path) -> Row | None:
        """The row of an earlier call for an output."""
        return self.by_output.get(self._relative(output))

    def is_finished(self, path: Path, digest: str, target: str, output: Path) -> bool:
        """Whether an input of this hash has been translated to an output that stands, or has been rejected.

        The row of an input that has moved gets its new path.
        """
        row = self.row_of(output)
        if row and digest == row.input_sha256 and stands(self.folder, row):
            row = replace(row, status="ok", reason="")
        else:
            row = self.rejected.get((digest, target))
        if row is None:
            return False
        self._write(replace(row, input=absolute(path), target=target))
        return True

    def add(self, path: Path, target: str, output: Path, digest: str, output_digest: str) -> Row:
        """Write and return the row of a translation, given the hashes of input and output."""
        relative = self._relative(output)
        return self._write(Row(absolute(path), target, relative, "ok", "", self.job, digest, output_digest))

    def add_untranslated(
        self, path: Path, target: str, output: Path, status: str, reason: str, digest: str = ""
    ) -> Row:
        """Write and return the row of an input that failed or, given the input's hash, was rejected."""
        earlier = self.row_of(output)
        if earlier and earlier.input == absolute(path):
            return self._write(replace(earlier, status=status, reason=reason))
        return self._write(Row(absolute(path), target, "", status, reason, self.job, digest))

    def add_left_out(self, file: LeftOut) -> Row:
        """Write and return the row of a file that is no input."""
        return self._write(Row(absolute(file.path), "", "", "left out", file.reason, self.job))

    def _relative(self, output: Path) -> str:
        return as_text(output.relative_to(self.folder).as_posix())

    def _write(self, row: Row) -> Row:
        if row not in self.known:
            self.file.write(line_of(row))
            self.file.flush()
        return row


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make a folder and lock it against other processes that translate into it.

    Raises:
        UsageError: another process is writing to the folder.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout:
        raise UsageError(f"another process is translating into {folder}: choose another with --out") from None


@contextmanager
def open_manifest(folder: Path, job: str) -> Iterator[Manifest]:
    """Open the manifest of a job in a locked folder.

    Rows of an earlier call are kept if the output exists or the input was rejected. All others are deleted, as those
    inputs are tried again.

    Args:
        job: hash of everything that determines an output besides the input; see `targets.fingerprint`.

    Raises:
        UsageError: the folder holds translations of another job, or another file of the manifest's name.
    """
    path = folder / MANIFEST
    rows = [row for row in latest(folder, read_rows(path)) if lasts(folder, row)]
    if any(row.job != job for row in rows):
        raise UsageError(
            f"{folder} holds translations by another model, style or format, or with another threshold: "
            "choose another with --out"
        )
    rewrite(path, rows)
    with path.open("a", encoding="ascii") as file:
        yield Manifest(folder, job, rows, file)
    rewrite(path, latest(folder, read_rows(path)))


def read_rows(path: Path) -> list[Row]:
    """The rows of a manifest, but for a last one that a killed call has not finished; none for no file.

    Raises:
        UsageError: the file is no manifest.
    """
    rows = list[Row]()
    if not path.exists():
        return rows
    with path.open("rb") as file:
        for line in file:
            try:
                rows.append(row_of(line))
            except (ValueError, TypeError, RecursionError) as error:
                unfinished = not line.endswith(b"\n") and line.startswith(BEGINNING[: len(line)])
                if isinstance(error, json.JSONDecodeError) and unfinished:
                    break
                raise UsageError(f"{path} is no manifest of translations: choose another folder with --out") from None
    return rows


def row_of(line: bytes) -> Row:
    """The row of a line. Raises ValueError, TypeError or RecursionError for a line of another shape."""
    row = Row(**json.loads(line))
    if not all(isinstance(value, str) for value in astuple(row)):
        raise TypeError("expected texts")
    as_path(row.output)
    return row


def line_of(row: Row) -> str:
    """The line of a row, in ASCII, whatever the bytes in its paths."""
    return json.dumps(asdict(row)) + "\n"


def latest(folder: Path, rows: list[Row]) -> list[Row]:
    """The last row of each output, and of each input and target without an output.

    A call that was killed before it replaced an output has written the new row already: then the row before counts.
    """
    kept: dict[object, Row] = {}
    for row in rows:
        pair = (row.input, row.target)
        if row.output:
            kept.pop(pair, None)
        key = row.output or pair
        earlier = kept.get(key)
        if earlier and row.output and stands(folder, earlier) and not stands(folder, row):
            continue
        kept[key] = row
    return list(kept.values())


def lasts(folder: Path, row: Row) -> bool:
    """Whether a row still tells something about its files to the next call."""
    if row.output:
        return bool(row.output_sha256) and os.path.lexists(folder / as_path(row.output))
    return row.status == "rejected" and bool(row.input_sha256)


def stands(folder: Path, row: Row) -> bool:
    """Whether the output of a row is as it was written."""
    return sha256_of(folder / as_path(row.output)) == row.output_sha256


def rewrite(path: Path, rows: list[Row]) -> None:
    with temporary(path).open("w", encoding="ascii") as file:
        file.writelines(map(line_of, rows))
    os.replace(temporary(path), path)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal, read in chunks; empty if it is empty, unreadable, or larger than any image."""
    try:
        if regular_file(path).st_size > max_bytes():
            return ""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (UnreadableImage, OSError):
        return ""


def absolute(path: Path) -> str:
    """The absolute path of an input as in a row."""
    return as_text(os.path.abspath(path))


def temporary(output: Path) -> Path:
    """The temporary file of an output, with a short name that depends on the output's name alone."""
    return output.with_name(f".tmp-{hashlib.sha256(os.fsencode(output.name)).hexdigest()[:16]}")
