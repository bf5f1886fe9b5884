"""Lists that may be longer than memory: a database in a temporary file, which ends with the process at the latest."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from sivae_translate.errors import SivaeError


@contextmanager
def scratch_database() -> Iterator[sqlite3.Connection]:
    """An empty database for this block. SQLite keeps about 2 MB of it in memory, and the rest in a nameless file.

    Raises:
        SivaeError: the temporary file cannot be written.
    """
    try:
        with closing(sqlite3.connect("", isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = OFF")
            yield database
    except sqlite3.OperationalError as error:
        raise SivaeError(
            f"cannot write a temporary file ({error}): free some space, or name another folder with SQLITE_TMPDIR"
        ) from None


def as_blob(text: str) -> bytes:
    """A text, which may hold bytes of a file's name that are no UTF-8, as SQLite can hold and sort it."""
    return text.encode("utf-8", "surrogatepass")


def from_blob(blob: bytes) -> str:
    return blob.decode("utf-8", "surrogatepass")
