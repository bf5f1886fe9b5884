"""Sets of many files appear under their name only when complete."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def taken(folder: Path) -> bool:
    """Whether something is there that must not be overwritten; an empty folder is not."""
    return folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))


@contextmanager
def staged_folder(folder: Path) -> Iterator[Path]:
    """A folder to write to, which becomes `folder`, new or empty, at the end; of anything unfinished nothing stays."""
    partial = folder.with_name(f".tmp-{folder.name}-{os.getpid()}")
    partial.mkdir(parents=True)
    try:
        yield partial
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
