"""Progress on a terminal, in a notebook or in a log: what commands and library calls show by themselves.

A display that cannot be written, as its reader is gone or its disk is full, falls silent: it stops no work.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from sivae_translate.errors import shown
from sivae_translate.memory import peak_memory
from sivae_translate.progress import Silent

BAR = 12  # characters; the rest of an 80-column line is for the text
REDRAWN = 0.1  # seconds between two updates of a live line, at least

P = ParamSpec("P")
T = TypeVar("T")


class Terminal:
    """A `progress.Display` on stderr: a live line on a terminal or in a notebook, else a line for each tenth."""

    def __init__(self) -> None:
        self.console = quiet_console(stderr=True)
        self.live: Any = None
        self.drawn = 0.0  # time of the last update of the live line
        self.printed = -1.0  # fraction of the last printed line

    def note(self, text: str) -> None:
        """See `progress.Display`. The live line stays above the message as it is."""
        self.close()
        with suppress(OSError, ValueError):  # of a closed stream
            self.console.print(encodable(shown(text), self.console.encoding), markup=False, soft_wrap=True)

    def step(self, fraction: float, text: str) -> None:
        """See `progress.Display`."""
        if self.console.is_terminal or self.console.is_jupyter:
            now = time.monotonic()
            if self.live is None or fraction >= 1 or now - self.drawn >= REDRAWN:
                self.drawn = now
                with suppress(OSError, ValueError):
                    self._draw(self._line(fraction, text))
        elif fraction >= 1 or not self.printed <= fraction < self.printed + 0.1:
            self.printed = fraction
            self.note("  ".join(filter(None, (f"{fraction:4.0%}", peak_memory(), text))))
        if fraction >= 1:
            self.printed = -1.0
            self.close()

    def _line(self, fraction: float, text: str) -> Any:
        """Bar, percentage, memory and text on one line; what is too long for it is cut."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        row = Table.grid(padding=(0, 1))
        for _ in range(3):
            row.add_column(no_wrap=True)  # and so as wide as its content, at the cost of the text
        row.add_column()
        text = encodable(shown(text), self.console.encoding)
        cut = Text(text, no_wrap=True, overflow="ellipsis")
        row.add_row(ProgressBar(1.0, fraction, width=BAR), f"{fraction:4.0%}", peak_memory(), cut)
        return row

    def _draw(self, line: Any) -> None:
        if self.live is not None:
            self.live.update(line, refresh=True)
        elif self.console.is_jupyter:
            self.live = NotebookLine(line)
        else:
            from rich.live import Live

            self.live = Live(line, console=self.console, auto_refresh=False)
            self.live.start(refresh=True)

    def close(self) -> None:
        """End the live line, if there is one."""
        live, self.live = self.live, None
        if live is not None:
            with suppress(OSError, ValueError):
                live.stop()


class NotebookLine:
    """A line of a notebook's output that is replaced in place. Rich's own needs ipywidgets, and warns without them."""

    def __init__(self, line: Any) -> None:
        from IPython.display import display  # there, as the code runs in it

        self.handle: Any = display(line, display_id=True)

    def update(self, line: Any, refresh: bool) -> None:
        self.handle.update(line)

    def stop(self) -> None: ...


def shows_progress(call: Callable[P, T]) -> Callable[P, T]:
    """Decorate a call with the arguments `display` and `quiet`: without them it shows its progress on a `Terminal`."""

    @wraps(call)
    def showing(*args: P.args, **kwargs: P.kwargs) -> T:
        given: dict[str, Any] = kwargs
        if given.get("quiet"):
            given["display"] = Silent()
        if given.get("display") is not None:
            return call(*args, **kwargs)
        with closing(Terminal()) as given["display"]:
            return call(*args, **kwargs)

    return showing


def quiet_console(**options: Any) -> Any:
    """A rich console that falls silent when its reader has gone, where rich itself would exit."""
    from rich.console import Console

    class QuietConsole(Console):
        def on_broken_pipe(self) -> None:
            self.quiet = True

    return QuietConsole(highlight=False, emoji=False, **options)


def encodable(text: str, encoding: str) -> str:
    """A text with the characters escaped that an encoding lacks."""
    return text.encode(encoding, "backslashreplace").decode(encoding)
