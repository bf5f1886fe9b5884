"""`manifest.jsonl`: a row for each input and target of a translated folder, so that a stopped call can be resumed.

Finished work is recognised by content. A row holds the hashes of its input and of its output, and counts only for files
of these hashes, wherever the folders have moved. Rows without hashes, as earlier versions wrote them, prove nothing:
they are deleted, and their outputs count as files of somebody else.

Every share of a folder has a manifest of its own, such as `manifest-2-of-5.jsonl`, since no two processes may write to
one file. All of them are read. A call for the whole folder merges them into `manifest.jsonl`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from filelock import FileLock, Timeout

from sivae_translate.data.listing import LeftOut
from sivae_translate.errors import UsageError
from sivae_translate.inference.rows import BEGINNING, Row, Rows, line_of, stands
from sivae_translate.inference.scratch import scratch_database
from sivae_translate.inference.share import Share
from sivae_translate.names import as_text

MANIFEST, LOCK = "manifest.jsonl", ".lock"
OF_A_SHARE, LOCK_OF_A_SHARE = r"manifest-[0-9]+-of-[0-9]+\.jsonl", r"\.lock-[0-9]+-of-[0-9]+"
PATIENCE = 10  # seconds that a share waits for another one that is about to start


class OtherJobError(UsageError):
    """A folder holds translations that were made with other options."""


class Manifest:
    """An open `manifest.jsonl`; see `open_manifest`.

    Attributes:
        folder: folder of the outputs.
        rows: the rows of earlier calls.
    """

    def __init__(self, folder: Path, job: str, rows: Rows, file: TextIO) -> None:
        self.folder, self.job, self.rows, self.file = folder, job, rows, file

    def row_of(self, output: Path) -> Row | None:
        """The row of an earlier call for an output."""
        return self.rows.of_output(self._relative(output))

    def is_finished(self, path: Path, digest: str, target: str, output: Path) -> bool:
        """Whether an input of this hash has been translated to an output that stands, or has been rejected.

        The row of an input that has moved gets its new path.
        """
        row = self.row_of(output)
        if row and digest == row.input_sha256 and stands(self.folder, row):
            row = replace(row, status="ok", reason=row.reason if row.status == "ok" else "")
        else:
            row = self.rows.without_output(digest, target)
        if row is None:
            return False
        self._write(replace(row, input=absolute(path), target=target))
        return True

    def add(self, path: Path, target: str, output: Path, digest: str, output_digest: str, remark: str = "") -> Row:
        """Write and return the row of a translation, given the hashes of input and output, and what to remark."""
        relative = self._relative(output)
        return self._write(Row(absolute(path), target, relative, "ok", remark, self.job, digest, output_digest))

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
        if row not in self.rows:
            self.file.write(line_of(row))
            self.file.flush()
        return row


@contextmanager
def locked(folder: Path, share: Share | None = None) -> Iterator[None]:
    """Make a folder, and lock it or a share of it against other processes that translate into it.

    The shares of one division may be translated at the same time.

    Raises:
        UsageError: another process is writing to the folder or to the share, or to a share of another division.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with ExitStack() as held:
            whole = held.enter_context(FileLock(folder / LOCK, timeout=0 if share is None else PATIENCE))
            for path in named(folder, LOCK_OF_A_SHARE):
                if share is None or not path.name.endswith(f"-of-{share.count}"):
                    with FileLock(path, timeout=0):
                        pass
                    path.unlink(missing_ok=True)
            if share is not None:
                held.enter_context(FileLock(folder / f"{LOCK}-{share}", timeout=0))
                whole.release()
            yield
    except Timeout:
        raise UsageError(f"another process is translating into {folder}: choose another with --out") from None


@contextmanager
def open_manifest(folder: Path, job: str, share: Share | None = None) -> Iterator[Manifest]:
    """Open the manifest of a job, or of a share of it, in a locked folder.

    Rows of an earlier call are kept if the output exists or the input was rejected. All others are deleted, as those
    inputs are tried again. Without a share, the manifests of shares are merged.

    Args:
        job: hash of everything that determines an output besides the input; see `targets.fingerprint`.

    Raises:
        OtherJobError: the folder holds translations of another job.
        UsageError: the folder holds another file of the manifest's name.
    """
    path, parts = manifest_path(folder, share), of_shares(folder)
    with known_rows(folder, [folder / MANIFEST, *parts]) as rows:
        rows.drop_obsolete()
        if any(row.job != job for row in rows):
            raise OtherJobError(
                f"{folder} holds translations by another model, style, size or format, or with another threshold: "
                "choose another with --out"
            )
        if share is None:
            rewrite(path, rows)
            for part in parts:
                part.unlink()
        else:
            with known_rows(folder, [path]) as ours:
                ours.drop_obsolete()
                rewrite(path, ours)
        with path.open("a", encoding="ascii") as file:
            yield Manifest(folder, job, rows, file)
    with known_rows(folder, [path]) as rows:
        rewrite(path, rows)


def merge_shares(folder: Path, count: int) -> Path:
    """Merge the manifests of `count` shares, all translated now, in a locked folder, and return `manifest.jsonl`.

    Rows of earlier calls are kept as `open_manifest` does.
    """
    parts = of_shares(folder)
    fresh = [path for path in parts if path.name.endswith(f"-of-{count}.jsonl")]
    with known_rows(folder, [folder / MANIFEST, *(path for path in parts if path not in fresh)]) as rows:
        rows.drop_obsolete()
        for path in fresh:
            rows.read(path)
        rewrite(folder / MANIFEST, rows)
    for part in parts:
        part.unlink()
    return folder / MANIFEST


def manifest_path(folder: Path, share: Share | None) -> Path:
    return folder / (MANIFEST if share is None else f"manifest-{share}.jsonl")


def of_shares(folder: Path) -> list[Path]:
    """The manifests of shares, the latest last: its rows are those that count."""
    return sorted(named(folder, OF_A_SHARE), key=lambda path: (path.stat().st_mtime_ns, path.name))


def holds_translations(folder: Path) -> bool:
    """Whether a folder has a manifest of ours with at least one row."""
    try:
        for path in (folder / MANIFEST, *named(folder, OF_A_SHARE)):
            if path.is_file():
                with path.open("rb") as file:
                    if file.read(len(BEGINNING)) == BEGINNING:
                        return True
    except OSError:
        pass
    return False


def named(folder: Path, pattern: str) -> list[Path]:
    """The files of a folder whose names match a pattern; other names are not held, as there may be many."""
    with os.scandir(folder) as entries:
        return [folder / entry.name for entry in entries if re.fullmatch(pattern, entry.name)]


@contextmanager
def known_rows(folder: Path, manifests: Iterable[Path]) -> Iterator[Rows]:
    """The rows of several manifests of a folder."""
    with scratch_database() as database:
        rows = Rows(folder, database)
        for path in manifests:
            rows.read(path)
        yield rows


def rewrite(path: Path, rows: Iterable[Row]) -> None:
    with temporary(path).open("w", encoding="ascii") as file:
        file.writelines(map(line_of, rows))
    os.replace(temporary(path), path)


def absolute(path: Path) -> str:
    """The absolute path of an input as in a row."""
    return as_text(os.path.abspath(path))


def temporary(output: Path) -> Path:
    """The temporary file of an output, with a short name that depends on the output's name alone."""
    return output.with_name(f".tmp-{hashlib.sha256(os.fsencode(output.name)).hexdigest()[:16]}")
