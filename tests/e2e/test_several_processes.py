"""Commands in several processes, as `--gpus` and `torchrun` start them, here on the CPU."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from folders import images, rows

from sivae_translate.inference.folder import translate_folder
from sivae_translate.inference.translator import Translator

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
LAUNCH = """
import sys
from sivae_translate.cli.launch import launch

raise SystemExit(launch(sys.argv[1:], 2))
"""
KILLED = """
import os, signal
from sivae_translate.cli import app
from sivae_translate.inference import pipeline

record, recorded = pipeline.record, []

def lose(*arguments):
    "The second process is lost after three translations, which the first one still waits for."
    recorded.append(record(*arguments))
    if os.environ["RANK"] == "1" and len(recorded) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return recorded[-1]

pipeline.record = lose
app()
"""
NAMES = [f"{folder}/{i}.png" for folder in "ab" for i in range(10)]

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = images(tmp_path / "in", *NAMES)
    (folder / "bad.png").write_text("no image")
    return folder


def start(*words: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    text = [str(word) for word in words]
    return subprocess.Popen(text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def outputs(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("[!.]*.png")}


def listed(out: Path) -> list[tuple[str, str]]:
    return sorted((row["input"], row["status"]) for row in rows(out))


@pytest.mark.slow
def test_processes_translate_a_folder_without_gaps_or_duplicates(
    translator: Translator, trained: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the second folder, as the first one holds another job; with the exit code of the first process."""
    monkeypatch.chdir(tmp_path)
    translate_folder(translator, source / "a", "translated", to="car000")
    whole = tmp_path / "whole"
    translate_folder(translator, source, whole, to="car001")
    process = start(
        sys.executable, "-c", LAUNCH, "run", source, "--model", trained, "--to", "car001", "--device", "cpu"
    )
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 3, stderr  # one input is unreadable
    assert stdout.splitlines() == [
        "20 translations written to translated-2, 1 failed (see translated-2/manifest.jsonl)"
    ]
    assert stderr.count("bad.png") == 1 and stderr.count("trying translated-2") == 1
    assert "torch" not in stderr and "Traceback" not in stderr
    out = tmp_path / "translated-2"
    assert outputs(out) == outputs(whole) and listed(out) == listed(whole)
    assert [path.name for path in out.glob("manifest*")] == ["manifest.jsonl"]


@pytest.mark.slow
@pytest.mark.parametrize("again", ["alone", "together"])
def test_the_next_call_translates_what_a_lost_process_has_left(
    translator: Translator, trained: Path, source: Path, tmp_path: Path, cli: Any, again: str
) -> None:
    whole, out, worker = tmp_path / "whole", tmp_path / "out", tmp_path / "worker.py"
    translate_folder(translator, source, whole, to="car001")
    worker.write_text(KILLED)
    words = ("run", source, "--model", trained, "--to", "car001", "--device", "cpu", "--out", out, "--batch", 1)
    lost = start(*TORCHRUN, worker, *words)
    stdout, _ = lost.communicate(timeout=120)
    assert lost.returncode != 0 and "written" not in stdout
    done = len(outputs(out))
    assert 3 <= done < len(NAMES)
    if again == "alone":
        result = cli(*words)
        code, stdout = result.exit_code, result.stdout
    else:
        process = start(sys.executable, "-c", LAUNCH, *words)
        stdout, _ = process.communicate(timeout=120)
        code = process.returncode
    assert code == 3 and stdout.startswith(f"{len(NAMES) - done} translations written to {out}, {done} done before")
    assert outputs(out) == outputs(whole) and listed(out) == listed(whole)


@pytest.mark.slow
def test_ctrl_c_saves_the_run_once_and_keeps_the_exit_code(cars: Path, options: Any, tmp_path: Path) -> None:
    """The launching process gets the signal alone, as the others are in sessions of their own."""
    run, settings = tmp_path / "run", options("training.images=1000000", "training.log_every=16")
    process = start(sys.executable, "-c", LAUNCH, "train", cars / "train", "--out", run, *settings)
    while not (run / "log.jsonl").exists() and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    assert [line for line in stderr.splitlines() if line.startswith("error: ")] == [stderr.splitlines()[-1]]
    saved = json.loads((run / "state" / "trainer.json").read_text())["state"]["images"]
    assert f"stopped at {saved:,} images and saved" in stderr.splitlines()[-1]


@pytest.mark.slow
def test_the_exit_code_is_that_of_the_process_that_fails(tmp_path: Path) -> None:
    process = start(sys.executable, "-c", LAUNCH, "train", tmp_path / "nowhere", "--device", "cpu")
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 2 and not stdout
    assert set(line.partition(" does not exist")[0] for line in stderr.splitlines()) == {f"error: {tmp_path}/nowhere"}
