"""The error of a command: one line on stderr, without a traceback."""

from __future__ import annotations

from typing import Any


def error_line(result: Any) -> str:
    """The error of a command, the last line of stderr and the only one that begins with `error:`."""
    assert "Traceback" not in result.output
    errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1 and result.stderr.splitlines()[-1] == errors[0], result.stderr
    return errors[0].removeprefix("error: ")


def expect_error(result: Any, code: int, *parts: object) -> None:
    """Assert that a command ended with `code` and one error, whose line contains every part."""
    assert result.exit_code == code, result.output
    line = error_line(result)
    for part in parts:
        assert str(part) in line, line
