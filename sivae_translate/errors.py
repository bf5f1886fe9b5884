"""The errors people are meant to read: one line saying what was given, what was expected, and a fix to paste."""

from __future__ import annotations


class SivaeError(Exception):
    """Something a person can mend. The command line prints the message alone and exits with `exit_code`."""

    exit_code = 1


class UsageError(SivaeError):
    """What was asked for cannot be done as asked: a path, a name or a setting is wrong."""

    exit_code = 2


def did_you_mean(given: str, known: list[str]) -> str:
    """A closing clause with the nearest of the known names, or all of them where there are few and none is near."""
    import difflib

    near = difflib.get_close_matches(given, known, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    shown = sorted(known)[:12]
    return f"known: {', '.join(shown)}{', ...' if len(known) > len(shown) else ''}"
