"""Progress that calls and commands show by themselves: on a terminal, in a notebook, in a log, or not at all."""

from __future__ import annotations

import io
import re
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from sivae_translate import console
from sivae_translate.console import Terminal, quiet_console, shows_progress
from sivae_translate.progress import Display, Silent, clock, counting

LONG = "1,234,567 of 7,654,321 translations  12,345/s  1:02:03 left  rec 0.0123 kl_real 45.6 kl_rec 45.6 kl_sample 45.6"


def live_terminal(width: int) -> tuple[Terminal, io.StringIO]:
    display, stream = Terminal(), io.StringIO()
    display.console = quiet_console(file=stream, force_terminal=True, width=width, color_system=None)
    return display, stream


@pytest.mark.parametrize("width", [80, 40, 12])
def test_a_live_line_is_never_wrapped(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "REDRAWN", 0)
    display, stream = live_terminal(width)
    for fraction in (0.1, 0.5, 0.99):
        display.step(fraction, LONG)
    drawn = stream.getvalue()
    assert "\n" not in drawn
    lines = re.split(r"[\r\x1b]+(?:\[[0-9?]*[A-Za-z])*", drawn)
    assert max(map(len, lines)) <= width
    display.close()


def test_a_live_line_of_80_columns_has_percentage_memory_speed_and_time_left() -> None:
    display, stream = live_terminal(80)
    display.step(0.5, LONG)
    display.close()
    shown = stream.getvalue()
    assert " 50%" in shown and "peak" in shown and "GB" in shown and "1,234,567 of 7,654,321" in shown


def test_a_live_line_is_redrawn_ten_times_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(console, "time", SimpleNamespace(monotonic=lambda: now))
    display, stream = live_terminal(80)
    for now in (1.0, 1.02, 1.04, 1.2):
        display.step(0.5, f"at {now}.")
    display.step(1, "at last.")
    assert dict.fromkeys(re.findall(r"at (\S+)\.", stream.getvalue())) == dict.fromkeys(["1.0", "1.2", "last"])


def test_a_log_gets_a_line_for_each_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    display = Terminal()
    for done in range(101):
        display.step(done / 100, f"{done} images")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11 and all("peak" in line for line in lines)
    assert lines[0].startswith("  0%") and lines[-1].startswith("100%") and lines[-1].endswith("100 images")


def test_a_notebook_replaces_its_line_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, updates = list[Any](), list[Any]()

    def show(line: Any, display_id: bool) -> Any:
        assert display_id
        shown.append(line)
        return SimpleNamespace(update=updates.append)

    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=show))
    monkeypatch.setattr(console, "REDRAWN", 0)
    display = Terminal()
    display.console = quiet_console(force_jupyter=True)
    for fraction in (0.2, 0.6, 1.0):
        display.step(fraction, "at work")
    assert len(shown) == 1 and len(updates) == 2
    assert "at work" in updates[-1]._repr_mimebundle_((), ())["text/plain"]


@shows_progress
def work(display: Display | None = None, quiet: bool = False) -> Display | None:
    """A call that reports its display."""
    if display is not None:
        display.note("at work")
    return display


def test_a_call_shows_its_progress_unless_it_is_to_be_quiet_or_has_a_display(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert isinstance(work(), Terminal) and capsys.readouterr().err == "at work\n"
    given = Silent()
    assert work(display=given) is given
    assert isinstance(work(quiet=True), Silent) and isinstance(work(display=Terminal(), quiet=True), Silent)
    assert capsys.readouterr().err == ""


def test_a_call_that_fails_ends_its_live_line(monkeypatch: pytest.MonkeyPatch) -> None:
    displays, closed = list[Terminal](), list[Terminal]()
    monkeypatch.setattr(Terminal, "close", lambda self: closed.append(self))

    @shows_progress
    def fail(display: Any = None, quiet: bool = False) -> None:
        displays.append(display)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert closed == displays


def test_counted_work_has_its_speed_and_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now, texts = 0.0, list[str]()
    monkeypatch.setattr("sivae_translate.progress.time", SimpleNamespace(monotonic=lambda: now))
    display: Any = SimpleNamespace(step=lambda fraction, text: texts.append(text))
    progress = counting(display, "images")
    for later, done in ((5.0, 100), (15.0, 600), (35.0, 1100)):
        now = later
        progress(done, 10_100)
    assert texts == [
        "100 of 10,100 images",
        "600 of 10,100 images  50/s  3:10 left",
        "1,100 of 10,100 images  33/s  4:30 left",
    ]


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (65.4, "1:05"), (3599.6, "1:00:00"), (7325, "2:02:05")])
def test_a_time_is_in_minutes_or_hours(seconds: float, text: str) -> None:
    assert clock(seconds) == text
