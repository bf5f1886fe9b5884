"""Output names for the images of a folder tree, each different, with sub-folders and names kept."""

from __future__ import annotations

import sqlite3
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sivae_translate.data.listing import LeftOut
from sivae_translate.errors import UsageError
from sivae_translate.inference.inputs import Inputs, no_image
from sivae_translate.inference.scratch import as_blob, from_blob, scratch_database
from sivae_translate.inference.share import Share, path_hash

SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "png": {"compress_level": 1},  # lossless at any level; higher levels would take most of the time
    "jpg": {"quality": 95},
    "webp": {"quality": 95},
}
SAME = "same"  # the format of the input, or png where that is not written
SIDES = {"jpg": 65_500, "webp": 16_383}  # longest sides in pixels that a format has


class Plan:
    """Inputs with their outputs, and the files that are no inputs, both sorted by place; see `plan`."""

    def __init__(self, given: Inputs, database: sqlite3.Connection, share: Share | None) -> None:
        self.given, self.database, self.share = given, database, share
        database.execute("CREATE TABLE inputs (path BLOB PRIMARY KEY) WITHOUT ROWID")
        database.execute("CREATE TABLE left_out (path BLOB PRIMARY KEY, reason TEXT, lost INTEGER) WITHOUT ROWID")
        database.execute("CREATE TABLE taken (name BLOB PRIMARY KEY) WITHOUT ROWID")
        database.execute("CREATE TABLE outputs (path BLOB, output BLOB)")

    def __len__(self) -> int:
        """The number of inputs."""
        (count,) = self.database.execute("SELECT count(*) FROM outputs").fetchone()
        return int(count)

    def __iter__(self) -> Iterator[Path]:
        """The inputs."""
        return (path for path, _ in self.outputs())

    def outputs(self) -> Iterator[tuple[Path, Path]]:
        """Pairs (input, output relative to a target's folder)."""
        for path, output in self.database.execute("SELECT path, output FROM outputs ORDER BY rowid"):
            yield self.given.path(path_of(path)), path_of(output)

    def left_out(self) -> Iterator[LeftOut]:
        for path, reason, lost in self.database.execute("SELECT path, reason, lost FROM left_out ORDER BY path"):
            yield LeftOut(self.given.path(path_of(path)), reason, bool(lost))

    def note(self) -> None:
        """Note the files, and the names of their folders as taken."""
        folder = None
        for relative, each in self.given:
            if isinstance(each, LeftOut):
                if self.is_ours(relative):
                    row = (blob_of(relative), each.reason, each.lost)
                    self.database.execute("INSERT INTO left_out VALUES (?, ?, ?)", row)
                continue
            self.database.execute("INSERT INTO inputs VALUES (?)", (blob_of(relative),))
            if relative.parent != folder:
                folder = relative.parent
                for parent in relative.parents:
                    self.take(parent)

    def name_outputs(self, format: str) -> None:
        """Name the outputs of all inputs, as a name can depend on inputs of other shares; keep those of our share."""
        for (path,) in self.database.execute("SELECT path FROM inputs ORDER BY path"):
            relative = path_of(path)
            output = output_of(relative, format)
            while not self.take(output):
                output = output.with_name(f"{output.stem}-{path_hash(relative)}{output.suffix}")
            if self.is_ours(relative):
                self.database.execute("INSERT INTO outputs VALUES (?, ?)", (path, blob_of(output)))

    def is_ours(self, relative: Path) -> bool:
        return self.share is None or self.share.holds(relative)

    def take(self, name: Path) -> bool:
        """Reserve a name for an output or a folder; whether it was free."""
        return self.database.execute("INSERT OR IGNORE INTO taken VALUES (?)", (as_blob(folded(name)),)).rowcount > 0


@contextmanager
def plan(
    source: Path | Sequence[Path], out: Path, format: str, share: Share | None = None, *, outside: Sequence[Path] = ()
) -> Iterator[Plan]:
    """An output for every image of `source`, with different outputs. Files below `out` are no inputs.

    The name of an output depends on its input alone: photo.jpg becomes photo.jpg.png, and photo.png keeps its name.
    Outputs must differ even without regard to case, so the later one of photo.jpg and photo.jpg.png, or of A.png and
    a.png, gets a hash of its path below `source` too. The plan is on disk: its memory does not grow with the folder.

    Args:
        source: a file, a folder, or several, of different names; see `Inputs`.
        share: the part of the inputs to plan; None for all.
        outside: further folders of outputs, whose files are no inputs.

    Raises:
        UsageError: no image, no such format, two sources of one name, or an `out` that is a file or holds the inputs.
    """
    if format not in (*SAVE_OPTIONS, SAME):
        raise UsageError(f"format {format!r}: expected one of {', '.join((*SAVE_OPTIONS, SAME))}")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file: expected a folder for the translations; choose another with --out")
    given = Inputs([source] if isinstance(source, Path) else source, [out, *outside])
    for base in given.bases():
        if out.resolve() in (base.resolve(), *base.resolve().parents):
            raise UsageError(f"{out} holds the inputs, and they are never overwritten: choose another with --out")
    with scratch_database() as database:
        planned = Plan(given, database, share)
        planned.note()
        if database.execute("SELECT 1 FROM inputs").fetchone() is None:
            raise no_image(given.sources, planned.left_out())
        planned.name_outputs(format)
        yield planned


def output_of(relative: Path, format: str) -> Path:
    """The output of an input: the input's name if that has the format's suffix, else the name with the suffix."""
    if format == SAME:
        format = format_of(relative) if format_of(relative) in SAVE_OPTIONS else "png"
    return relative if format_of(relative) == format else relative.with_name(f"{relative.name}.{format}")


def format_of(output: Path) -> str:
    """The key of `SAVE_OPTIONS` for an output's suffix; another text for another suffix."""
    suffix = output.suffix[1:].lower()
    return "jpg" if suffix == "jpeg" else suffix


def folded(path: Path) -> str:
    """A path as file systems see it that ignore case and the composition of accents."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", str(path)).casefold())


def blob_of(relative: Path) -> bytes:
    """A path as it is sorted: part by part."""
    return as_blob("\0".join(relative.parts))


def path_of(blob: bytes) -> Path:
    return Path(*from_blob(blob).split("\0"))
