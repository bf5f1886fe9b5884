"""Reading the output of a command: its error, and the numbers in a line."""

from __future__ import annotations

import re
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


def numbers(text: str) -> list[int]:
    """The integers that stand alone in a text, `1,600` as 1600; digits within names and paths are left out."""
    return [int(number.replace(",", "")) for number in re.findall(r"(?<![^\s(])\d[\d,]*(?=[\s):;,.]|$)", text)]
