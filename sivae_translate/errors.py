"""Errors for users: one line with the given value, the expected one, and a fix to paste."""

from __future__ import annotations

import shlex
from collections.abc import Sequence


class SivaeError(Exception):
    """An error that a user can fix. The command line prints the message alone and exits with `exit_code`."""

    exit_code = 1


class UsageError(SivaeError):
    """A path, a name or a setting is wrong."""

    exit_code = 2


def shown(text: object) -> str:
    """A name or path on one line: newlines, control characters and undecodable bytes are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def command(*words: object) -> str:
    """A command of ours to paste into a shell, with words quoted where a shell would take them apart."""
    return shlex.join(["sivae-translate", *map(str, words)])


def first_few(names: Sequence[str], count: int = 3) -> str:
    """The first names, and "..." where there are more."""
    return ", ".join([*names[:count], *(["..."] if len(names) > count else [])])


def one_line(error: BaseException) -> str:
    """The first line of an error that is not empty, or its type."""
    return next(filter(str.strip, str(error).splitlines()), "") or type(error).__name__


def did_you_mean(given: str, known: list[str]) -> str:
    """A clause for the end of a message: the known names similar to the given one, else up to 12 known names."""
    import difflib

    near = difflib.get_close_matches(given, known, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    shown = sorted(known)[:12]
    return f"known: {', '.join(shown)}{', ...' if len(known) > len(shown) else ''}"
