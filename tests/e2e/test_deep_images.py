"""Float and 32-bit images: training decides what is white, and translation applies it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sivae_translate import Translator
from sivae_translate.progress import Silent
from sivae_translate.training.run import train


class Notes(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


def write_set(root: Path, *largest: float) -> Path:
    """Two domains of float images, one for each largest value."""
    for domain in "ab":
        (root / domain).mkdir(parents=True)
        for number, value in enumerate(largest):
            ramp = np.linspace(0, value, 16 * 16, dtype=np.float32).reshape(16, 16)
            Image.fromarray(ramp).save(root / domain / f"{number}.tif")
    return root


@pytest.mark.parametrize(("extra", "white"), [([], 255), (["data.white=300"], 300)])
def test_the_white_of_the_set_is_noted_saved_and_applied(
    extra: list[str], white: float, tmp_path: Path, tiny: tuple[str, ...]
) -> None:
    images, notes = write_set(tmp_path / "images", 1.0, 200.0), Notes()
    settings = [*tiny, "training.images=16", *extra]
    run = train(images, "tiny", tmp_path / "run", set=settings, device="cpu", display=notes)
    noted = [line for line in notes.lines if "white 255" in line]
    assert len(noted) == (0 if extra else 1)
    assert json.loads((run / "config.json").read_text())["frame"]["white"] == white
    assert Translator.from_pretrained(run, device="cpu").frame.white == white


def test_a_resumed_run_keeps_its_white(tmp_path: Path, tiny: tuple[str, ...]) -> None:
    images, run = write_set(tmp_path / "images", 1.0, 200.0), tmp_path / "run"
    train(images, "tiny", run, set=[*tiny, "training.images=16"], device="cpu")
    write_set(tmp_path / "more", 1000.0)
    (tmp_path / "more/a/0.tif").rename(images / "a/bright.tif")
    settings = [*tiny, "training.images=32"]
    train(images, "tiny", run, set=settings, device="cpu", display=(notes := Notes()), allow_changed=True)
    assert json.loads((run / "model/config.json").read_text())["frame"]["white"] == 255
    assert any("bright.tif" in line for line in notes.lines)


def test_a_set_of_ordinary_images_has_no_white(trained: Path) -> None:
    assert "white" not in json.loads((trained / "model" / "config.json").read_text())["frame"]
