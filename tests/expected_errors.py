"""How a command refuses what it was given."""

from __future__ import annotations

from typing import Any


def refused(result: Any, code: int, *said: object) -> None:
    """The command ended with this code and one last line on stderr, an error that says all this."""
    assert result.exit_code == code, result.output
    errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1 and result.stderr.splitlines()[-1] == errors[0], result.stderr
    assert "Traceback" not in result.output
    for part in said:
        assert str(part) in errors[0], errors[0]
