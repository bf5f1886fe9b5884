"""Names as text and as paths. Texts are the same under every locale, and are what files and models hold.

Python decodes the bytes of a file's name, and of a word of the command line, by the locale. So one folder has different
names under different locales, and a name that was read from a file may be none that this locale can write.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePath

from sivae_translate.errors import UsageError

MAX_NAME = 255  # bytes of a file's name on common file systems


def as_text(path: str) -> str:
    """The bytes of a path, or of a word of the command line, as UTF-8, other bytes escaped."""
    try:
        return os.fsencode(path).decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a text already, with letters that the locale cannot write
        return path


def as_path(text: str) -> str:
    """The path of a text. Raises ValueError for a lone surrogate, which no path has."""
    return os.fsdecode(text.encode("utf-8", "surrogateescape"))


def as_paths(given: object, argument: str) -> list[Path]:
    """One path or several, each a text or a Path, as a list. Raises UsageError for anything else, or none."""
    every = [given] if isinstance(given, str | Path) else given
    if not isinstance(every, Sequence) or not all(isinstance(each, str | Path) for each in every):
        raise UsageError(f"{argument} was {given!r}: expected a path, or a list of paths")
    if not every:
        raise UsageError(f"{argument} was empty: expected one path or more")
    return [Path(each) for each in every]


def names_a_folder(name: object) -> bool:
    """Whether a folder can have this name, a text. Control characters are allowed, as folders may have them."""
    if not isinstance(name, str) or name in ("", "..") or "\0" in name or PurePath(name).name != name:
        return False
    try:
        return len(name.encode("utf-8", "surrogateescape")) <= MAX_NAME
    except UnicodeEncodeError:  # a lone surrogate, which JSON can hold
        return False
