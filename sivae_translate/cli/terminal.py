"""The terminal of a command: progress and one-line errors on stderr, results on stdout."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

import typer

from sivae_translate.console import Terminal, encodable
from sivae_translate.errors import SivaeError, shown
from sivae_translate.signals import HANG_UP, INTERRUPT, TERMINATE, handle_signals


@contextmanager
def terminal() -> Iterator[Terminal]:
    """A display for one command. An expected error gives one line on stderr and an exit code, without traceback."""
    display = Terminal()

    def fail(message: str, exit_code: int) -> typer.Exit:
        ignore_interrupts()
        display.close()
        if exit_code > 128 and not is_first():  # a signal ends all processes of a launcher, and one tells it
            return typer.Exit(exit_code)
        with suppress(OSError, ValueError):
            write_line(sys.stderr, f"error: {shown(' '.join(message.split()))}")
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
    except (MemoryError, RuntimeError) as error:
        if not memory_ran_out(error):
            raise
        raise fail("memory ran out: lower --batch, take smaller images, or use --device cpu", 1) from None
    finally:
        display.close()


def is_first() -> bool:
    """Whether this process is the first of a launcher's, or has no launcher."""
    if "RANK" not in os.environ:
        return True
    from sivae_translate.training.processes import is_first_process

    return is_first_process()


def memory_ran_out(error: Exception) -> bool:
    """Whether an error says so. PyTorch, which raises most of them, is loaded only then."""
    from sivae_translate.training.out_of_memory import ran_out

    return ran_out(error)


def ignore_interrupts() -> None:
    """Ignore Ctrl-C from now on: the process is ending, and a further Ctrl-C would only add a traceback."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(INTERRUPT, signal.SIG_IGN)


def _interrupt(number: int, frame: Any) -> None:
    """Raise KeyboardInterrupt(number) for SIGTERM and SIGHUP, so that temporary files are deleted."""
    raise KeyboardInterrupt(number)


def say(text: str) -> None:
    """Print a result on stdout, control characters escaped."""
    write_line(sys.stdout, "\n".join(shown(line) for line in text.split("\n")))


def write_line(stream: TextIO | None, line: str) -> None:
    """Write a line; characters that the stream cannot encode are escaped. A closed stream gets none."""
    if stream is None or stream.closed:
        return
    print(encodable(line, stream.encoding or "utf-8"), file=stream, flush=True)
