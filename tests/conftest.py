"""Shared fixtures: a few tiny cars, a model trained on them once, and commands in this or another process."""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded, and for every process the tests start
os.environ["HF_HUB_OFFLINE"] = "1"  # before huggingface_hub is loaded: only tests with the fixture `hub` ask a hub
os.environ["TRITON_INTERPRET"] = "1"  # before Triton is loaded: its kernels then run on the CPU

import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from bad_input import Workspace
from hub_server import TOKEN, Hub, hub_server
from typer.testing import CliRunner

from sivae_translate.cli import app
from sivae_translate.data.images import Frame
from sivae_translate.datasets.cars import write_set
from sivae_translate.inference.translator import Translator
from sivae_translate.models.pretrained import build_model, save_model
from sivae_translate.training.run import train

torch.set_num_threads(1)

for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a shell's background jobs and nohup ignore some
    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

Cli = Callable[..., Any]
Command = Callable[..., "subprocess.Popen[str]"]

SIZE = 16  # of the model; the cars are larger, so that every image has to be fitted


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    """Ctrl-C as before the test: a command that is interrupted ignores it from then on."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session", autouse=True)
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Caches of decoded images are written below a temporary folder, also by the processes that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("caches")))
        yield


@pytest.fixture(scope="session")
def cars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in cars, 3 to train on and 2 unseen ones, at 32 pixels."""
    folder = tmp_path_factory.mktemp("cars") / "cars"
    write_set(folder, cars=3, unseen=2, size=2 * SIZE, pairs=20)
    return folder


@pytest.fixture(scope="session")
def tiny() -> tuple[str, ...]:
    """Overrides of the recipe "tiny" for a smaller model and 400 images, the second half of them adversarial."""
    return (
        f"data.size={SIZE}", "data.batch=8", "model.width=16", "model.max_width=32", "objective.vae_fraction=0.5",
        "training.minutes=0", "training.images=400", "training.warmup_images=80", "training.precision=fp32",
        "training.samples=4",
    )  # fmt: skip


@pytest.fixture(scope="session")
def trained(cars: Path, tiny: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on the cars, which no test may change."""
    run = tmp_path_factory.mktemp("runs") / "cars"
    train(cars / "train", "tiny", run, set=tiny, device="cpu")
    return run


@pytest.fixture(scope="session")
def translator(trained: Path) -> Translator:
    return Translator.from_pretrained(trained, device="cpu")


@pytest.fixture
def untrained(tmp_path: Path) -> Callable[..., Path]:
    """Makes a model directory of initial weights; settings by keyword: `untrained("conv", "red", "blue", width=32)`."""

    def make(name: str, *domains: str, **settings: Any) -> Path:
        torch.manual_seed(0)
        settings = {"name": name, "width": 16, "max_width": 32, **settings}
        directory = tmp_path / f"{name}-model"
        model = build_model(settings, domains, SIZE)
        save_model(directory, model, settings, Frame(SIZE, "crop", (255, 255, 255)))
        return directory

    return make


@pytest.fixture(scope="session")
def cli() -> Cli:
    """Runs a command in this process, as `cli("run", folder, "--to", "red")`, and returns its output and exit code."""

    def call(*arguments: object) -> Any:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return call


@pytest.fixture
def command() -> Iterator[Command]:
    """Starts a command in a process of its own, stdout and stderr piped; the process ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "sivae_translate", *map(str, arguments)]
        started.append(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A stand-in for the hub, with an empty cache and a token to write; the working directory is a temporary one."""
    from huggingface_hub import constants

    with hub_server() as server:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # files go by LFS, which the stand-in answers
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.chdir(tmp_path)
        yield server


@pytest.fixture
def options(tiny: tuple[str, ...]) -> Callable[..., list[str]]:
    """The command line for a tiny CPU run, later settings over earlier ones: `options("training.images=64")`."""

    def make(*overrides: str) -> list[str]:
        settings = [word for override in (*tiny, *overrides) for word in ("--set", override)]
        return ["--recipe", "tiny", "--device", "cpu", *settings]

    return make


@pytest.fixture
def workspace(
    tmp_path: Path, cars: Path, trained: Path, untrained: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Workspace:
    """A working directory for bad input, without a network."""

    def urlopen(request: urllib.request.Request) -> None:
        raise urllib.error.URLError(OSError(-2, "Name or service not known"))

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path, cars, trained, untrained)
