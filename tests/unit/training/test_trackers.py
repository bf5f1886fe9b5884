"""Trackers: which are known and installed, what they get, and what becomes of one that fails."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.progress import Silent
from sivae_translate.recipe import load_recipe
from sivae_translate.training import trackers as module
from sivae_translate.training.processes import new_accelerator
from sivae_translate.training.trackers import Trackers, tracked, tracker_names

ROWS = [{"images": 64, "seconds": 1.0, "rec": 3.5}, {"images": 128, "seconds": 2.0, "rec": 2.5}]
GRID = Image.new("RGB", (8, 4), "red")


def in_tensorboard(run: Path) -> Any:
    """The events that TensorBoard reads for a run."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = reader.EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    return events


def test_names_are_a_list_or_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "require", lambda package, extra: None)
    assert tracker_names("wandb, trackio") == tracker_names(["wandb", "trackio,wandb"]) == ("wandb", "trackio")
    assert tracker_names(()) == tracker_names("") == ()


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UsageError, match=r"wandb.*pip install 'sivae-translate\[wandb\]'"):
        tracker_names("wandb")


def log_to(name: str, run: Path) -> None:
    """Log two rows and a grid."""
    new_accelerator("cpu", "fp32")
    with tracked((name,), run, load_recipe("tiny"), Silent()) as trackers:
        for row in ROWS:
            trackers.write(row)
        trackers.show({"samples": GRID}, 128)
        assert trackers.started  # none has failed


def test_tensorboard_has_figures_pictures_and_settings(tmp_path: Path) -> None:
    log_to("tensorboard", tmp_path)
    events = in_tensorboard(tmp_path)
    assert [(event.step, event.value) for event in events.Scalars("rec")] == [(64, 3.5), (128, 2.5)]
    (picture,) = events.Images("samples")
    assert (picture.step, picture.width, picture.height) == (128, 8, 4)
    (settings,) = (tmp_path / "tensorboard").glob("*/hparams.yml")
    assert "training.lr:" in settings.read_text()


@pytest.mark.slow
def test_wandb_works_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    log_to("wandb", tmp_path)
    assert list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
    assert list((tmp_path / "wandb").glob("offline-run-*/files/media/images/samples*.png"))


@pytest.mark.slow
def test_trackio_keeps_its_figures_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    pytest.importorskip("trackio")
    log_to("trackio", tmp_path / "run")
    assert list((tmp_path / "trackio").glob("*.db"))


def test_a_tracker_that_cannot_start_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def start(project: str, **options: Any) -> Any:
        raise RuntimeError("no account\nmany lines")

    monkeypatch.setattr(module.tracking, "WandBTracker", start)
    with (
        pytest.raises(SivaeError, match=r"^wandb cannot start \(no account\): .*WANDB_MODE=offline$"),
        tracked(("wandb",), tmp_path, load_recipe("tiny"), Silent()),
    ):
        pass


def test_a_tracker_that_fails_is_noted_once_and_left_alone() -> None:
    seen, notes = list[str](), list[str]()

    def log(row: dict[str, float], step: int | None) -> None:
        seen.append("wandb")
        raise ConnectionError("gone")

    display: Any = SimpleNamespace(note=notes.append)
    trackers = Trackers(display)
    works = SimpleNamespace(name="tensorboard", log=lambda row, step: seen.append("tensorboard"))
    trackers.started = [SimpleNamespace(name="wandb", log=log), works]
    for row in ROWS:
        trackers.write(row)
    assert seen == ["wandb", "tensorboard", "tensorboard"]
    assert notes == ["wandb failed (gone): training goes on without it"]
