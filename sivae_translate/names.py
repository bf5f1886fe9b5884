"""Names as text and as paths. Texts are the same under every locale, and are what files and models hold.

Python decodes the bytes of a file's name, and of a word of the command line, by the locale. So one folder has different
names under different locales, and a name that was read from a file may be none that this locale can write.
"""

from __future__ import annotations

import os
from pathlib import PurePath

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


def names_a_folder(name: object) -> bool:
    """Whether a folder can have this name, a text. Control characters are allowed, as folders may have them."""
    if not isinstance(name, str) or name in ("", "..") or "\0" in name or PurePath(name).name != name:
        return False
    try:
        return len(name.encode("utf-8", "surrogateescape")) <= MAX_NAME
    except UnicodeEncodeError:  # a lone surrogate, which JSON can hold
        return False
