"""What a run says about its images before it trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sivae_translate.data.domains import find_domains
from sivae_translate.progress import Silent
from sivae_translate.recipe import load_recipe
from sivae_translate.training.images import load_images


class Notes(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two domains of four images each."""
    for name, level in (("dark", 10), ("light", 200)):
        (tmp_path / "set" / name).mkdir(parents=True)
        for i in range(4):
            Image.new("RGB", (16, 16), (level + i, level, 5 * i)).save(tmp_path / "set" / name / f"{i}.png")
    return tmp_path / "set"


def notes(folder: Path, *overrides: str) -> list[str]:
    display = Notes()
    load_images(find_domains(folder), load_recipe("tiny", ["data.size=16", *overrides]), display)
    return display.lines


def test_of_a_small_set_the_numbers_are_said(folder: Path) -> None:
    assert notes(folder) == ["8 images in 2 domains"]


def test_of_a_large_set_it_is_said_when_images_are_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sivae_translate.data.survey.MOST_IMAGES", 7)
    first, line = notes(folder)
    assert first == "8 images in 2 domains"
    assert line == "images are decoded when they are first drawn, and those that cannot be read are named then"


@pytest.mark.parametrize("model", ["style", "conv"])
def test_a_large_set_is_decoded_at_the_start_where_it_is_clustered(
    folder: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sivae_translate.data.survey.MOST_IMAGES", 3)
    found = find_domains(folder / "dark")
    recipe: Any = load_recipe("tiny" if model == "style" else "conv", ["data.size=16"])
    images = load_images(found, recipe, Silent())
    assert images.decoded == (model == "style")


def test_too_little_disk_for_the_cache_is_said_in_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sivae_translate.data.batches.HELD", 0)
    monkeypatch.setattr("sivae_translate.data.cache.ImageCache.room", lambda cache: 5)
    line = notes(folder)[1]
    assert line == (
        "the cache of decoded images, at most 25% of the free disk, has room for 5 of them; the others are decoded for "
        "every batch"
    )
