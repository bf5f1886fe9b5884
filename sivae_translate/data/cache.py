"""A cache on the disk of images in their frame, so that no run and no process decodes an image that another one has.

    <user's cache>/sivae-translate/images/<folder and frame>/keys     16 bytes for each row, in their order
                                                             /rows     the rows, each a sum and size * size * 3 bytes
                                                             /lock     held while rows are appended

The key of a row is a hash of the name, size and times of an image file. A row holds the pixels, or the reason why the
image cannot be read. Its sum covers key and content and is checked whenever the row is read, so no damaged, foreign or
half written file can give other pixels. Where the files cannot be used, images are decoded as without a cache. Rows are
read, not mapped: a mapped file that another process cuts would end this one by a signal.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL
from filelock import FileLock

from sivae_translate.data.decoding import max_megapixels
from sivae_translate.data.domains import Source
from sivae_translate.data.images import Frame, UnreadableImage
from sivae_translate.data.in_memory import PREFIX
from sivae_translate.data.reader import read_in_frame
from sivae_translate.data.survey import name_below

FORMAT = 1  # to be raised where the files, or the pixels of an image in its frame, change
FRACTION = 0.25  # of the free disk that a cache may take
FRESH = 2.0  # seconds; a file that has just changed may change again and keep its times
UNUSED = 30 * 86400.0  # seconds after which a cache is deleted
TOGETHER = 64  # rows appended under one lock
PATIENCE = 5.0  # seconds to wait for that lock
KEY, SUM = 16, 32  # bytes
IMAGE, REASON = b"image", b"reason"


class Row(NamedTuple):
    """A row that waits to be appended: its key, and its sum and content in bytes."""

    key: bytes
    data: bytes


class ImageCache:
    """The images below a folder in a frame, each decoded once. It may be copied to other processes.

    Args:
        folder: holds the images. Its caches under other names, such as relative ones, are the same.
        frame: the square that every image is put into.
    """

    def __init__(self, folder: Path, frame: Frame) -> None:
        self.frame, self.base = frame, os.fspath(folder)
        self.shape = (frame.size, frame.size, 3)
        self.row_bytes = SUM + 3 * frame.size**2
        self.slots: dict[bytes, int] = {}
        self.count = 0  # rows in the files that this process knows
        self.waiting: deque[Row] = deque()
        self.filling = not folder.name.startswith(PREFIX)  # until the disk is full or cannot be written
        if not self.filling:  # no later run reads the files of a temporary folder
            return
        try:
            self.folder = caches() / cache_name(folder, frame)
            self.keys, self.rows = self.folder / "keys", self.folder / "rows"
            self._open()
        except (OSError, RuntimeError):  # RuntimeError: there is no home directory
            self.filling = False

    def _open(self) -> None:
        delete_unused(self.folder.parent)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in (self.keys, self.rows):
            if os.path.lexists(path) and not path.is_file():  # opening a pipe would hang
                raise OSError(f"{path} is no regular file")
            path.open("ab").close()
        os.utime(self.keys)  # tells `delete_unused` that the cache is used
        self._update()

    def read(self, source: Source) -> np.ndarray:
        """One image in the frame, uint8 `[size, size, 3]`, as by `read_in_frame`. Raises UnreadableImage."""
        key = self._key(source)
        if key is None:
            return read_in_frame(source, self.frame)
        known = self._load(key)
        if isinstance(known, str):
            raise UnreadableImage(known)
        if known is not None:
            return known
        try:
            pixels = read_in_frame(source, self.frame)
        except UnreadableImage as error:
            if lasting(error) and key == self._key(source):
                self._store(key, REASON, str(error).encode())
            raise
        if key == self._key(source):
            self._store(key, IMAGE, pixels.tobytes())
        return pixels

    def room(self) -> int:
        """The number of images that the cache can hold, or holds already where it cannot grow."""
        return self._room(self.count) if self.filling else self.count

    def flush(self) -> None:
        """Append the rows that wait. Where that fails, nothing is appended from then on."""
        if not self.waiting:
            return
        try:
            # The lock is held for a millisecond, by a thread or a process.
            with FileLock(self.folder / "lock").acquire(timeout=PATIENCE, poll_interval=0.001):
                self._append(self._update())
        except OSError:  # Timeout is one
            self.filling = False

    def _append(self, count: int) -> None:
        """Append the rows that wait behind `count` rows, as many as there is room for."""
        new: dict[bytes, Row] = {}
        with suppress(IndexError):  # other threads take rows too
            while True:
                row = self.waiting.popleft()
                if row.key not in self.slots:
                    new[row.key] = row
        room = self._room(count) - count
        self.filling = room >= len(new)
        rows = list(new.values())[:room]
        write(self.rows, count * self.row_bytes, [row.data for row in rows])
        write(self.keys, count * KEY, [row.key for row in rows])  # last, as keys make the rows known
        self._learn([row.key for row in rows], count)

    def _room(self, count: int) -> int:
        free = shutil.disk_usage(self.folder).free
        return max(count, int(FRACTION * (free + count * self.row_bytes)) // self.row_bytes)

    def _update(self) -> int:
        """Learn the keys that were appended since the last time, and return the number of rows in the files."""
        known, count = self.count, min(os.stat(self.keys).st_size // KEY, os.stat(self.rows).st_size // self.row_bytes)
        if count > known:
            with self.keys.open("rb") as file:
                file.seek(known * KEY)
                data = file.read((count - known) * KEY)
            self._learn([data[at : at + KEY] for at in range(0, len(data), KEY)], known)
        return count

    def _learn(self, keys: list[bytes], start: int) -> None:
        self.slots.update(zip(keys, range(start, start + len(keys)), strict=True))
        self.count = max(self.count, start + len(keys))

    def _key(self, source: Source) -> bytes | None:
        """The key of an image; None where its file cannot be told from what it may soon be."""
        path = os.fspath(source.path)
        try:
            status = os.stat(path)
        except (OSError, ValueError):
            return None
        if max(status.st_mtime, status.st_ctime) > time.time() - FRESH:
            return None
        # The time of the last change of status tells a file that was replaced by another one with the same time.
        about = f"{source.view} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} ".encode()
        return hashlib.blake2b(about + name_below(self.base, path), digest_size=KEY).digest()

    def _load(self, key: bytes) -> np.ndarray | str | None:
        """The pixels of a row or the reason in it; None where there is no such row, or no whole one."""
        try:
            if key not in self.slots and self.filling:
                self._update()
            slot = self.slots.get(key)
            if slot is None:
                return None
            data = bytearray(self.row_bytes)  # so that the pixels can be changed
            with self.rows.open("rb", buffering=0) as file:
                file.seek(slot * self.row_bytes)
                file.readinto(data)
        except OSError:
            return None
        total, content = data[:SUM], memoryview(data)[SUM:]
        if total == checksum(key, IMAGE, content):
            return np.frombuffer(content, np.uint8).reshape(self.shape)
        if total == checksum(key, REASON, content):
            return bytes(content).rstrip(b"\0").decode()
        self.slots.pop(key, None)  # to be appended anew
        return None

    def _store(self, key: bytes, kind: bytes, content: bytes) -> None:
        content = content.ljust(self.row_bytes - SUM, b"\0")
        if not self.filling or len(content) > self.row_bytes - SUM:
            return
        self.waiting.append(Row(key, checksum(key, kind, content) + content))
        if len(self.waiting) >= TOGETHER:
            self.flush()


def caches() -> Path:
    """The folder of all caches, below XDG_CACHE_HOME or ~/.cache. Raises RuntimeError for no home directory."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(given) if os.path.isabs(given) else Path.home() / ".cache"
    return base / "sivae-translate" / "images"


def cache_name(folder: Path, frame: Frame) -> str:
    """A name that stands for the folder and for everything that determines the pixels of its images."""
    about = (FORMAT, PIL.__version__, max_megapixels(), frame, os.path.realpath(folder))
    return hashlib.blake2b(repr(about).encode(), digest_size=16).hexdigest()


def delete_unused(folder: Path) -> None:
    """Delete the caches that no run has opened for `UNUSED` seconds."""
    for keys in folder.glob("*/keys"):
        with suppress(OSError):
            if keys.stat().st_mtime < time.time() - UNUSED:
                for name in ("rows", "lock", "keys"):
                    (keys.parent / name).unlink(missing_ok=True)
                keys.parent.rmdir()


def write(path: Path, at: int, parts: list[bytes]) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"".join(parts))


def checksum(key: bytes, kind: bytes, content: bytes | memoryview) -> bytes:
    total = hashlib.sha256(key + kind)
    total.update(content)
    return total.digest()


def lasting(error: UnreadableImage) -> bool:
    """Whether an image cannot be read because of its content, and not for now, as for too little memory."""
    cause = error.__cause__
    return not (isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno))
