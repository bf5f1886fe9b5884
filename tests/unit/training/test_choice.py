"""The log of held-out figures, and the model that is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sivae_translate.data.images import Frame
from sivae_translate.models.pretrained import build_model, load_model
from sivae_translate.training import choice as choice_module
from sivae_translate.training.choice import Choice
from sivae_translate.training.state import State

SETTINGS = {"name": "conv", "width": 16, "max_width": 16}


class Figures:
    """Stands for `HeldOutFigures`: gives the figures of a list, one after the other."""

    def __init__(self, kids: list[float], chooses: bool = True, images: str = "one") -> None:
        self.values, self.chooses, self.images = iter(kids), chooses, images
        self.criterion, self.origin, self.baselines = "kid_random_vgg16", "val/", {"kid_copy": 9.0}

    def __call__(self, model: Any) -> dict[str, float]:
        return {"psnr": 20.0, "kid_random_vgg16": next(self.values)}

    def fingerprint(self) -> str:
        return self.images


@pytest.fixture
def go(tmp_path: Path) -> Callable[..., list[str]]:
    """Measures models of 8, 16, ... images, whose first weight is that number, and returns the notes."""

    def call(figures: Any, images: int = 0, steps: int = 3) -> list[str]:
        notes: list[str] = []
        choice = Choice(tmp_path, figures, SETTINGS, Frame(16, "crop", (0, 0, 0)), images, notes.append)
        model = build_model(SETTINGS, ("a",), 16)
        for step in range(steps):
            state = State(images=images + 8 * (step + 1), seconds=1.0)
            with torch.no_grad():
                next(model.parameters()).view(-1)[0] = state.images
            choice(model, state, last=True)
        return notes

    return call


def best(run: Path) -> float:
    """The number of images that the model kept was trained on."""
    return float(next(load_model(run / "model-best")[0].parameters()).view(-1)[0])


def rows(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "heldout.jsonl").read_text().splitlines()]


def test_the_model_with_the_lowest_kid_is_kept_with_its_figures(go: Any, tmp_path: Path) -> None:
    notes = go(Figures([3.0, 1.0, 2.0]))
    assert best(tmp_path) == 16
    assert [(row["images"], row["kid_random_vgg16"], row.get("best")) for row in rows(tmp_path)] == [
        (8, 3.0, True), (16, 1.0, True), (24, 2.0, None),
    ]  # fmt: skip
    assert all(row["kid_copy"] == 9.0 and row["psnr"] == 20.0 for row in rows(tmp_path))
    assert len(notes) == 3 and "16 images" in notes[1] and "best" in notes[1] and "best" not in notes[2]
    figures = json.loads((tmp_path / "model-best" / "figures.json").read_text())
    assert (figures["images"], figures["kid_random_vgg16"], figures["images_of"]) == (16, 1.0, "val/")


def test_a_resumed_run_compares_with_the_model_kept_and_drops_later_rows(go: Any, tmp_path: Path) -> None:
    go(Figures([3.0, 1.0, 2.0]))
    go(Figures([1.5, 0.5]), images=16, steps=2)  # the state is that of 16 images
    assert [row["images"] for row in rows(tmp_path)] == [8, 16, 24, 32]
    assert best(tmp_path) == 32
    go(Figures([0.7]), images=32, steps=1)
    assert best(tmp_path) == 32


def test_other_held_out_images_choose_anew(go: Any, tmp_path: Path) -> None:
    go(Figures([1.0]), steps=1)
    go(Figures([5.0], images="others"), images=8, steps=1)
    assert best(tmp_path) == 16


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_figure_that_is_not_finite_is_never_the_best(go: Any, tmp_path: Path, value: float) -> None:
    go(Figures([value, 3.0]), steps=2)
    assert best(tmp_path) == 16 and len(rows(tmp_path)) == 2


def test_no_model_is_chosen_by_a_test_split(go: Any, tmp_path: Path) -> None:
    go(Figures([3.0, 2.0], chooses=False), steps=2)
    assert len(rows(tmp_path)) == 2 and not (tmp_path / "model-best").exists()


def test_a_model_that_was_measured_is_not_measured_again(go: Any, tmp_path: Path) -> None:
    """A finished run saves once more where its command is repeated."""
    go(Figures([3.0]), steps=1)
    choice = Choice(tmp_path, Figures([]), SETTINGS, Frame(16, "crop", (0, 0, 0)), 8, print)  # type: ignore[arg-type]
    choice(build_model(SETTINGS, ("a",), 16), State(images=8), last=True)
    assert len(rows(tmp_path)) == 1


def test_training_goes_on_without_files_that_cannot_be_written(go: Any, tmp_path: Path) -> None:
    (tmp_path / "model-best").write_text("mine")
    (tmp_path / "heldout.jsonl").mkdir()
    notes = go(Figures([3.0]), steps=1)
    assert (tmp_path / "model-best").read_text() == "mine"
    assert sum("training goes on" in note for note in notes) == 2


def test_measuring_takes_a_small_part_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A measurement of 3 s is followed by 100 s without one; the last model is always measured."""
    clock, measured = [0.0], list[float]()
    monkeypatch.setattr(choice_module.time, "monotonic", lambda: clock[0])

    class Slow(Figures):
        def __call__(self, model: Any) -> dict[str, float]:
            measured.append(clock[0])
            clock[0] += 3
            return super().__call__(model)

    figures: Any = Slow([1.0] * 9, chooses=False)
    choice = Choice(tmp_path, figures, SETTINGS, Frame(16, "crop", (0, 0, 0)), 0, lambda text: None)
    model = build_model(SETTINGS, ("a",), 16)
    while clock[0] < 250:
        choice(model, State(images=int(clock[0]) + 1), last=False)
        clock[0] += 1
    choice(model, State(images=1000), last=True)
    assert measured == [0, 103, 206, 250]
