"""The command line as a program: streams that are closed or full, interrupts, options given twice, odd names."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from command_output import expect_error

from sivae_translate.cli.terminal import say
from sivae_translate.console import Terminal, quiet_console
from sivae_translate.models import StyleAutoencoder

MODULE = f"{sys.executable} -m sivae_translate"


def shell(line: str, **options: Any) -> Any:
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, **options)


@pytest.mark.parametrize(("streams", "code"), [(">&-", 0), ("2>&-", 0), (">&- 2>&-", 0), ("> /dev/full", 1)])
@pytest.mark.parametrize("words", ["recipes", "--version"])
def test_a_closed_or_full_stream_gives_no_traceback(words: str, streams: str, code: int) -> None:
    result = shell(f"{MODULE} {words} {streams}")
    assert result.returncode == code and "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) == code


def test_three_quick_interrupts_give_one_line(command: Any, tmp_path: Path) -> None:
    process = command("toy", "--steps", 10**6, "--out", tmp_path / "toy")
    assert "steps" in process.stderr.readline()  # at work
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.005)
    lines = process.stderr.read().splitlines()
    assert process.wait() == 130
    assert lines[-1].startswith("error: ") and not any("Traceback" in line for line in lines)


class Gone(io.StringIO):
    """A stream whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


@pytest.mark.parametrize("live", [False, True])
def test_a_display_that_cannot_be_written_stops_no_work(live: bool) -> None:
    display = Terminal()
    display.console = quiet_console(file=Gone(), force_terminal=live)
    for i in range(11):
        display.step(i / 10, "at work")
    display.note("done")
    display.close()


@pytest.mark.parametrize(
    "words",
    [
        ["train", "horse", "--recipe", "tiny", "--recipe", "style"],
        ["run", "in", "--out", "a", "--out", "b"],
        ["run", "in", "--out", "a", "--out=a"],
        ["toy", "--seed", "1", "--seed", "2"],
        ["toy", "table", "--seeds", "1", "--seeds", "2"],
    ],
)
def test_an_option_given_twice_is_an_error(cli: Any, words: list[str], tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli(*words)
    option = next(word for word in words if word.startswith("--"))
    assert result.exit_code == 2 and option in result.stderr and "2 times" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_options_of_several_values_are_given_several_times(cli: Any, workspace: Any) -> None:
    words = ("run", workspace.view, "--model", workspace.trained, "--out", "out")
    assert cli(*words, "--to", "car000", "--to", "car001").exit_code == 0
    assert Path("out/car001/el0_az00.png").exists()


def test_results_and_notes_show_no_control_characters(capsys: Any) -> None:
    say("red\x1b[31m\nblue")
    assert capsys.readouterr().out == "red\\x1b[31m\nblue\n"
    display = Terminal()
    display.console = quiet_console(file=io.StringIO(), force_terminal=True)
    display.note("red\x1b[31m")
    display.step(0.5, "blue\x1b[31m")
    display.close()
    assert "\x1b[31m" not in display.console.file.getvalue()  # type: ignore[attr-defined]


def test_memory_that_runs_out_is_one_line(cli: Any, workspace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def encode(*_: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(StyleAutoencoder, "encode", encode)
    expect_error(cli("run", workspace.view, "--model", workspace.trained), 1, "memory", "--batch")


def test_an_error_that_cannot_be_shown_keeps_its_exit_code() -> None:
    assert shell(f"{MODULE} check nowhere 2> /dev/full").returncode == 2


def test_completion_of_a_line_with_an_option_given_twice_is_silent() -> None:
    line = "sivae-translate interpolate --steps 2 --steps 3 --o"
    environment = {"_SIVAE_TRANSLATE_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": "6"}
    variables = " ".join(f"{name}='{value}'" for name, value in environment.items())
    code = "from sivae_translate.cli import app; app(prog_name='sivae-translate')"
    result = shell(f'{variables} {sys.executable} -c "{code}"')
    assert "Traceback" not in result.stderr and "--out" in result.stdout
