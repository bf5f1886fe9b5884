"""The terminal of a command: progress and one-line errors on stderr, results on stdout."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from sivae_translate.errors import SivaeError
from sivae_translate.signals import HANG_UP, INTERRUPT, TERMINATE, handle_signals


class Terminal:
    """A `progress.Display`: a live bar on a terminal, else a line for each tenth of the work."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(stderr=True, highlight=False, emoji=False)
        self.live: Any = None
        self.shown = -1.0  # fraction of the last printed line

    def note(self, text: str) -> None:
        self.close()
        self.console.print(text, markup=False, soft_wrap=True)

    def step(self, fraction: float, text: str) -> None:
        if self.console.is_terminal:
            self._draw(fraction, text)
        elif fraction >= 1 or not self.shown <= fraction < self.shown + 0.1:
            self.shown = fraction
            self.note(f"{fraction:4.0%}  {text}")
        if fraction >= 1:
            self.shown = -1.0
            self.close()

    def _draw(self, fraction: float, text: str) -> None:
        from rich.live import Live
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        row = Table.grid(padding=(0, 1))
        row.add_row(ProgressBar(1.0, fraction, width=20), Text(f"{fraction:4.0%}"), Text(text))
        if self.live is None:
            self.live = Live(console=self.console, auto_refresh=False)
            self.live.start()
        self.live.update(row, refresh=True)

    def close(self) -> None:
        if self.live is not None:
            self.live.stop()
            self.live = None


@contextmanager
def terminal() -> Iterator[Terminal]:
    """A terminal for one command. An expected error gives one line on stderr and an exit code, without traceback."""
    display = Terminal()

    def fail(message: str, exit_code: int) -> typer.Exit:
        display.close()
        print(f"error: {_printable(message)}", file=sys.stderr)
        return typer.Exit(exit_code)

    try:
        with handle_signals([TERMINATE, HANG_UP], _interrupt):
            yield display
    except SivaeError as error:
        raise fail(str(error), error.exit_code) from None
    except KeyboardInterrupt as error:
        raise fail("interrupted", 128 + (error.args[0] if error.args else INTERRUPT)) from None
    except BrokenPipeError:  # as from `| head`; Typer exits without a message
        raise
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        fix = "; free some space and run the same command again" if error.errno == errno.ENOSPC else ""
        raise fail(f"{error.strerror or error}{where}{fix}", 1) from None
    finally:
        display.close()


def _interrupt(number: int, frame: Any) -> None:
    """Raise KeyboardInterrupt(number) for SIGTERM and SIGHUP, so that temporary files are deleted."""
    raise KeyboardInterrupt(number)


def _printable(text: str) -> str:
    """A message on one line, escaped where stderr cannot encode it."""
    encoding = sys.stderr.encoding or "utf-8"
    return " ".join(text.encode(encoding, "backslashreplace").decode(encoding).split())


def say(text: str) -> None:
    """Print a result on stdout; characters that the terminal cannot encode are escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
