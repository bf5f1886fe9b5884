"""Rows of a manifest: their lines, and the rows that count, found by output or by content."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from sivae_translate.data.images import UnreadableImage, max_bytes, regular_file
from sivae_translate.errors import UsageError
from sivae_translate.names import as_path

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
        reason: short text; for "ok" empty, or why the output's format is another one than the input's.
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


NAMES = tuple(field.name for field in fields(Row))


class Rows:
    """The last row of each output, and of each input and target without an output, in the order of the first ones.

    A call that was killed before it replaced an output has written the new row already: then the row before counts.
    The rows are on disk, as a folder may have more of them than memory holds.
    """

    def __init__(self, folder: Path, database: sqlite3.Connection) -> None:
        self.folder, self.database = folder, database
        # `place` sorts; `key` and `content` are JSON, as a path may hold what SQLite takes for no text
        database.execute("CREATE TABLE rows (place INTEGER PRIMARY KEY, key TEXT UNIQUE, content TEXT, line TEXT)")
        database.execute("CREATE INDEX by_content ON rows (content)")

    def read(self, path: Path) -> None:
        """Add the rows of a manifest; see `read_rows`."""
        for row in read_rows(path):
            self.add(row)

    def add(self, row: Row) -> None:
        if row.output:
            self.database.execute("DELETE FROM rows WHERE key = ?", (key_of(row.input, row.target),))
            earlier = self.of_output(row.output)
            if earlier and stands(self.folder, earlier) and not stands(self.folder, row):
                return
        content = None if row.output else key_of(row.input_sha256, row.target)
        self.database.execute(
            "INSERT INTO rows (key, content, line) VALUES (?, ?, ?) "
            "ON CONFLICT (key) DO UPDATE SET content = excluded.content, line = excluded.line",
            (own_key(row), content, line_of(row)),
        )

    def drop_obsolete(self) -> None:
        """Delete the rows that tell nothing to the next call."""
        for place, row in self._select():
            if not lasts(self.folder, row):
                self.database.execute("DELETE FROM rows WHERE place = ?", (place,))

    def of_output(self, output: str) -> Row | None:
        """The row of a file relative to the folder."""
        return self._last("WHERE key = ?", key_of(output))

    def without_output(self, input_sha256: str, target: str) -> Row | None:
        """The last row without an output for an input of this content."""
        return self._last("WHERE content = ?", key_of(input_sha256, target))

    def __bool__(self) -> bool:
        return self.database.execute("SELECT 1 FROM rows LIMIT 1").fetchone() is not None

    def __contains__(self, row: Row) -> bool:
        return self._last("WHERE key = ?", own_key(row)) == row

    def __iter__(self) -> Iterator[Row]:
        return (row for _, row in self._select())

    def _last(self, where: str, key: str) -> Row | None:
        return next((row for _, row in self._select(f"{where} ORDER BY place DESC LIMIT 1", key)), None)

    def _select(self, how: str = "ORDER BY place", *keys: str) -> Iterator[tuple[int, Row]]:
        found = self.database.execute(f"SELECT place, line FROM rows {how}", keys)
        return ((place, row_of(line)) for place, line in found)


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a manifest, but for a last one that a killed call has not finished; none for no file.

    Raises:
        UsageError: the file is no manifest.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                row = row_of(line)
            except (ValueError, TypeError, RecursionError) as error:
                unfinished = not line.endswith(b"\n") and line.startswith(BEGINNING[: len(line)])
                if isinstance(error, json.JSONDecodeError) and unfinished:
                    break
                raise UsageError(f"{path} is no manifest of translations: choose another folder with --out") from None
            yield row


def row_of(line: bytes | str) -> Row:
    """The row of a line. Raises ValueError, TypeError or RecursionError for a line of another shape."""
    values = json.loads(line)
    row = Row(**values)
    if not all(isinstance(value, str) for value in values.values()):
        raise TypeError("expected texts")
    as_path(row.output)
    return row


def line_of(row: Row) -> str:
    """The line of a row, in ASCII, whatever the bytes in its paths."""
    return json.dumps({name: getattr(row, name) for name in NAMES}) + "\n"  # `asdict` takes ten times as long


def own_key(row: Row) -> str:
    return key_of(row.output) if row.output else key_of(row.input, row.target)


def key_of(*texts: str) -> str:
    return json.dumps(texts)


def lasts(folder: Path, row: Row) -> bool:
    """Whether a row still tells something about its files to the next call."""
    if row.output:
        return bool(row.output_sha256) and os.path.lexists(folder / as_path(row.output))
    return row.status == "rejected" and bool(row.input_sha256)


def stands(folder: Path, row: Row) -> bool:
    """Whether the output of a row is as it was written."""
    return sha256_of(folder / as_path(row.output)) == row.output_sha256


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal, read in chunks; empty if it is empty, unreadable, or larger than any image."""
    try:
        if regular_file(path).st_size > max_bytes():
            return ""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (UnreadableImage, OSError):
        return ""
