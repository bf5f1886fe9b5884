"""Atomic folders: a folder of many files gets its name only when complete."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def is_taken(folder: Path) -> bool:
    """Whether the path is a file or a folder that is not empty, and must not be overwritten."""
    return folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder to fill, renamed to `folder`, new or empty, at the end of the block.

    An exception deletes the temporary folder. Unlike in `checkpoint.atomic_directory`, the files are not flushed to
    the disk, as flushing tens of thousands of files takes minutes and the set can be written again.
    """
    temporary = folder.with_name(f".tmp-{folder.name}-{os.getpid()}")
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if folder.exists():
            folder.rmdir()
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
