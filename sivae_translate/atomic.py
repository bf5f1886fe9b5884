"""Atomic replacement of files and of checkpoint directories, and of what killed processes left of it.

A new file or directory is written as `.tmp-<name>-<host>-<process>-<token>` and then renamed. During the exchange of
directories the old one is called `.old-<name>-<host>-<process>-<token>`. A reader that finds no directory reads the old
one, and `sweep` renames it back after a crash.

Only what is ours is ever deleted: a temporary file by its unique name, an old directory by its unique name and its
manifest, and of an old directory only the files that its manifest lists.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sivae_translate.errors import SivaeError
from sivae_translate.untrusted import read_json

FORMAT = 1
MANIFEST = "manifest.json"
HOST = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]  # the folder may be shared by several machines
UNIQUE = re.compile(r"\.(tmp|old)-(.+)-([0-9a-f]{8})-(\d{1,10})-[0-9a-f]{8}", re.DOTALL)

_writing: set[str] = set()  # names of the temporary files and directories that this process is writing


@contextmanager
def atomic_directory(final: Path) -> Iterator[Path]:
    """A new directory, which replaces `final` when the block ends, and is deleted when the block raises.

    After a crash at any time, `final` is the complete old or new directory, or `final` is missing and the old directory
    is called as above. Of the old directory the files that its manifest lists are deleted, and others move to the new
    one. New files get the mode of the umask.
    """
    final = Path(final).resolve()  # the rename must not cross file systems where `final` is a link
    final.parent.mkdir(parents=True, exist_ok=True)
    with _temporary(final) as temporary:
        temporary.mkdir()
        yield temporary
        _flush(temporary)
        _replace(temporary, final)


def write_text_atomic(path: Path, text: str) -> None:
    """Replace the file at `path` by this text, in UTF-8. After a crash the file holds the old or the new text."""
    write_bytes_atomic(path, text.encode())


def write_bytes_atomic(path: Path, data: bytes) -> None:
    """Replace the file at `path` by these bytes. After a crash the file holds the old or the new ones."""
    path = Path(path).resolve()
    with _temporary(path) as temporary:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _fsync(path.parent)


def read_manifest(directory: Path) -> dict[str, Any] | None:
    """File name -> size and SHA-256 sum of a checkpoint's files. None: there is no manifest.

    Raises:
        SivaeError: a file of this name that is no manifest, or one of a newer format.
    """
    path = directory / MANIFEST
    if not path.exists():
        return None
    manifest = read_json(path)
    version, files = manifest.get("format"), manifest.get("files")
    if type(version) is int and version > FORMAT:
        raise SivaeError(f"{path}: format {version} is newer than {FORMAT}, the one known here: update sivae-translate")
    if version != FORMAT or not isinstance(files, dict):
        raise SivaeError(f"{path}: not the manifest of a checkpoint")
    return files


def is_ours(directory: Path) -> bool:
    """Whether a directory holds the manifest of a checkpoint."""
    try:
        return read_manifest(directory) is not None
    except (SivaeError, OSError):
        return False


def in_place(directory: Path) -> Path:
    """The directory, or the old one where a writer is replacing the directory or was killed while doing so."""
    old = [] if directory.exists() else _old(directory.resolve())
    return old[-1] if old else directory


def sweep(parent: Path) -> None:
    """Delete what killed processes of this machine have left in `parent`, and rename old directories back.

    Temporary files of running processes stay, and so do those of other machines, whose processes are not seen here.
    """
    parent = Path(parent).resolve()
    names = [match for path in sorted(parent.iterdir()) if (match := UNIQUE.fullmatch(path.name))]
    for match in names:
        if match[1] == "tmp" and match[3] == HOST and not _runs(int(match[4]), match[0]):
            _delete(parent / match[0])
    for final in {parent / match[2] for match in names if match[1] == "old"}:
        if (olds := _old(final)) and not os.path.lexists(final):
            with suppress(OSError):  # another process has put a directory in place
                os.rename(olds.pop(), final)
        for old in reversed(olds) if is_ours(final) else ():
            _discard(old, final)


def _unique(kind: str, final: Path) -> Path:
    # An old directory must tell its name. Of a temporary one the beginning does: a longer name may be none.
    name = final.name if kind == "old" else os.fsdecode(os.fsencode(final.name)[:100])
    return final.with_name(f".{kind}-{name}-{HOST}-{os.getpid()}-{secrets.token_hex(4)}")


@contextmanager
def _temporary(final: Path) -> Iterator[Path]:
    """A temporary name beside `final`. What is still there under this name when the block ends is deleted."""
    temporary = _unique("tmp", final)
    _writing.add(temporary.name)
    try:
        yield temporary
    finally:
        _delete(temporary)
        _writing.discard(temporary.name)


def _old(final: Path) -> list[Path]:
    """The old directories of `final`, from the oldest to the newest; normally one at most."""
    found = []
    with suppress(FileNotFoundError, NotADirectoryError):  # there is no parent, or a file in its place
        for path in final.parent.iterdir():
            match = UNIQUE.fullmatch(path.name)
            if match and match.group(1, 2) == ("old", final.name) and is_ours(path):
                with suppress(FileNotFoundError):  # another process has just put it back or deleted it
                    found.append(((path / MANIFEST).stat().st_mtime_ns, path))
    return [path for _, path in sorted(found)]


def _flush(temporary: Path) -> None:
    """Flush a directory to the disk. Its files get the mode of the umask, as some writers make them private."""
    mode = temporary.stat().st_mode & 0o666  # follows from the umask, which os.umask can only read by changing it
    for path in temporary.rglob("*"):
        if path.is_file():
            path.chmod(mode)
        _fsync(path)
    _fsync(temporary)


def _replace(temporary: Path, final: Path) -> None:
    """Rename a directory to `final`. No portable call exchanges two directories atomically."""
    moved: list[Path] = []
    while True:
        try:
            os.rename(temporary, final)
            break
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        for old in reversed(_old(final)):  # left by a crash; `final` exists, so they are obsolete
            _discard(old, final)
        moved.append(_unique("old", final))
        with suppress(FileNotFoundError):  # another process has just renamed it
            os.rename(final, moved[-1])
    _fsync(final.parent)
    for old in dict.fromkeys([*moved, *reversed(_old(final))]):  # the newest first, whose notes win
        _discard(old, final)


def _discard(old: Path, final: Path) -> None:
    """Delete an old directory that `final` has replaced. Files that its manifest does not list move to `final`."""
    with suppress(SivaeError, OSError):  # nothing is deleted then; the next save or sweep comes back to it
        listed = {MANIFEST, *(read_manifest(old) or ())}
        for path in sorted(old.iterdir()):
            if path.name not in listed:
                os.rename(path, _free(final / path.name))
        with _temporary(final) as obsolete:  # a directory that is half deleted must not pass for an old one
            os.rename(old, obsolete)


def _free(path: Path) -> Path:
    """The path, or the first of `name.1`, `name.2`, ... where it exists."""
    names = itertools.chain([path], (path.with_name(f"{path.name}.{n}") for n in itertools.count(1)))
    return next(each for each in names if not os.path.lexists(each))


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _runs(pid: int, name: str) -> bool:
    """Whether the process that writes this temporary name runs.

    This process's own id may be that of an earlier process, as ids recur in containers.
    """
    if pid == os.getpid():
        return name in _writing
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # the process of another user, or no process id
        return True
    return True
