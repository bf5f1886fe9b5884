"""The latent space on the command line: interpolation, grids, attribute directions and reconstructions."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_output import expect_error, numbers
from PIL import Image

from sivae_translate.inference.translator import Translator
from sivae_translate.pictures import VISIBLE
from sivae_translate.types import Code

SCALE = VISIBLE // 16  # pixels of a strip to one of the model


def digests(folder: Path) -> dict[str, str]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB")).astype(int)


@dataclass(frozen=True)
class Place:
    """A working directory, with views of two cars from below in `low` and from above in `high`."""

    here: Path
    model: Path
    low: Path
    high: Path
    untrained: Callable[..., Path]

    @property
    def view(self) -> Path:
        return self.low / "car003_el0_az00.png"

    @property
    def other(self) -> Path:
        return self.high / "car004_el3_az05.png"

    def make(self, name: str, data: bytes = b"") -> Path:
        path = self.here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def folder(self, name: str) -> Path:
        (self.here / name).mkdir()
        return self.here / name


@pytest.fixture
def place(
    cars: Path, trained: Path, untrained: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Place:
    monkeypatch.chdir(tmp_path)
    place = Place(tmp_path, trained, tmp_path / "low", tmp_path / "high", untrained)
    for folder, elevation in ((place.low, 0), (place.high, 3)):
        folder.mkdir()
        for path in sorted((cars / "unseen").rglob(f"el{elevation}_az*[05].png")):
            shutil.copy(path, folder / f"{path.parent.name}_{path.name}")
    return place


# --- interpolate ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["content", "style", "both"])
def test_a_strip_begins_and_ends_with_reconstructions(
    cli: Any, place: Place, translator: Translator, what: str
) -> None:
    out = place.here / "new/strip.png"
    result = cli("interpolate", place.view, place.other, "--model", place.model, "--what", what, "--out", out)
    assert result.exit_code == 0 and str(out) in result.stdout
    strip = pixels(Image.open(out))[::SCALE, ::SCALE]
    assert strip.shape == (16, 8 * 16, 3)
    a, b = place.view, place.other
    last = {"content": lambda: translator(b, style=a), "style": lambda: translator(a, style=b)}
    assert (strip[:, :16] == pixels(translator.reconstruct(a))).all()
    assert (strip[:, -16:] == pixels(last.get(what, lambda: translator.reconstruct(b))())).all()


@pytest.mark.parametrize(("name", "format"), [("loop.gif", "GIF"), ("loop.webp", "WEBP")])
def test_an_animation_loops_from_one_image_to_the_other_and_back(
    cli: Any, place: Place, translator: Translator, name: str, format: str
) -> None:
    arguments = ("interpolate", place.view, place.other, "--model", place.model, "--steps", "5", "--out", name)
    assert cli(*arguments).exit_code == 0
    with Image.open(name) as loop:
        assert (loop.format, loop.size, loop.n_frames, loop.info["loop"]) == (format, (VISIBLE, VISIBLE), 8, 0)
        frames = []
        for i in range(8):
            loop.seek(i)
            frames.append(pixels(loop))
    assert abs(frames[1] - frames[7]).mean() < abs(frames[0] - frames[4]).mean() / 4
    end = pixels(translator.reconstruct(place.other)).repeat(SCALE, 0).repeat(SCALE, 1)
    assert abs(frames[4] - end).mean() < 8  # of 255: a palette, or lossy


def test_a_single_latent_is_interpolated_whole(cli: Any, place: Place) -> None:
    conv = place.untrained("conv", "a", "b")
    for name, what in (("whole.png", ()), ("content.png", ("--what", "content"))):
        assert cli("interpolate", place.view, place.other, "--model", conv, "--out", name, *what).exit_code == 0
    assert (place.here / "whole.png").read_bytes() == (place.here / "content.png").read_bytes()


# --- mix ------------------------------------------------------------------------------------------------------------


def test_a_grid_shows_every_content_in_every_style(cli: Any, place: Place, translator: Translator) -> None:
    result = cli("mix", place.low, place.high, "--model", place.model, "--count", "3")
    assert result.exit_code == 0 and "mix.png" in result.stdout
    grid = pixels(Image.open("mix.png"))
    assert grid.shape == (4 * VISIBLE, 4 * VISIBLE, 3)
    first, second = sorted(place.low.iterdir())[0], sorted(place.high.iterdir())[len(list(place.high.iterdir())) // 3]
    cell = grid[::SCALE, ::SCALE][16:32, 32:48]  # the first content in the second style
    assert abs(cell - pixels(translator(first, style=second))).max() <= 1


def test_unreadable_images_are_left_out_and_listed(cli: Any, place: Place) -> None:
    bad = place.make("low/a bad one.png", b"text")
    for arguments in (("mix",), ("direction", "--out", "up.safetensors")):
        result = cli(arguments[0], place.low, place.high, "--model", place.model, *arguments[1:])
        assert result.exit_code == 3 and str(bad) in result.stderr
    result = cli("reconstruct", place.low, "--model", place.model, "--inversion-steps", "1", "--out", "out")
    assert result.exit_code == 3 and str(bad) in result.stderr
    assert len(list((place.here / "out").iterdir())) == len(list(place.low.iterdir())) - 1


# --- direction and edit ---------------------------------------------------------------------------------------------


def test_a_direction_is_found_stored_and_applied(cli: Any, place: Place, translator: Translator) -> None:
    found = cli("direction", place.high, place.low, "--model", place.model, "--out", "up.safetensors", "--batch", "3")
    assert found.exit_code == 0 and "up.safetensors" in found.stdout and numbers(found.stdout)[:2] == [10, 10]
    arguments = ("edit", place.view, "--direction", "up.safetensors", "--model", place.model)
    edited = cli(*arguments, "--strength", "-2..2", "--out", "strip.png")
    assert edited.exit_code == 0 and "strip.png" in edited.stdout
    strip = pixels(Image.open("strip.png"))[::SCALE, ::SCALE]
    assert strip.shape == (16, 5 * 16, 3)
    assert (strip[:, 32:48] == pixels(translator.reconstruct(place.view))).all()
    means = [translator.encode(list(folder.iterdir())).content.mean(0) for folder in (place.high, place.low)]
    code = translator.encode(place.view)
    by_hand = translator.decode(Code(code.content + means[0] - means[1], code.style))
    assert cli(*arguments, "--strength", "1", "--what", "content", "--out", "one.png").exit_code == 0
    one = pixels(Image.open("one.png"))[::SCALE, ::SCALE]
    assert abs(one - pixels(translator.to_pictures(by_hand)[0])).max() <= 1


def test_swapped_folders_give_the_opposite_direction(cli: Any, place: Place) -> None:
    for name, folders in {"up": (place.high, place.low), "down": (place.low, place.high)}.items():
        assert cli("direction", *folders, "--model", place.model, "--out", f"{name}.safetensors").exit_code == 0
        arguments = ("--direction", f"{name}.safetensors", "--model", place.model, "--out", f"{name}.png")
        assert cli("edit", place.view, *arguments, "--strength", "1..-1" if name == "up" else "-1..1").exit_code == 0
    up, down = (pixels(Image.open(f"{name}.png")) for name in ("up", "down"))
    assert abs(up - down).max() <= 1


def test_a_single_latent_has_directions_too(cli: Any, place: Place) -> None:
    model = ("--model", place.untrained("conv", "a"))
    found = cli("direction", place.high, place.low, *model, "--out", "up.safetensors")
    assert found.exit_code == 0 and "content" in found.stdout and "style" not in found.stdout
    assert cli("edit", place.view, "--direction", "up.safetensors", *model, "--out", "loop.gif").exit_code == 0
    expect_error(cli("edit", place.view, "--direction", "up.safetensors", *model, "--what", "style"), 2, "style")


# --- reconstruct ----------------------------------------------------------------------------------------------------


def test_reconstructions_keep_the_tree_and_their_psnr_rises_with_inversion(cli: Any, place: Place) -> None:
    (place.low / "more").mkdir()
    shutil.copy(place.other, place.low / "more/x.png")

    def figures(steps: int) -> tuple[float, ...]:
        out = f"out{steps}"
        how = ("--inversion-steps", steps, "--batch", "4")
        result = cli("reconstruct", place.low, "--model", place.model, "--out", out, *how)
        assert result.exit_code == 0 and str(out) in result.stdout and numbers(result.stdout)[0] == 11
        assert digests(place.here / out).keys() == digests(place.low).keys()
        return tuple(map(float, re.findall(r"([\d.]+) dB", result.stdout)))

    (before, after), (start, end) = figures(0), figures(20)
    assert before == after == start < end
    written = [pixels(Image.open(place.here / "out20" / path.name)) for path in sorted(place.low.glob("*.png"))]
    assert {picture.shape for picture in written} == {(16, 16, 3)}


# --- expected errors ------------------------------------------------------------------------------------------------


def test_a_direction_of_other_weights_is_an_error(cli: Any, place: Place) -> None:
    assert cli("direction", place.high, place.low, "--model", place.model, "--out", "up.safetensors").exit_code == 0
    other = place.untrained("style", "a", "b")
    arguments = ("edit", place.view, "--direction", "up.safetensors", "--out", "x.png", "--model")
    expect_error(cli(*arguments, other), 2, "up.safetensors", f"--model {other}")
    assert not (place.here / "x.png").exists()
    expect_error(cli("edit", "nowhere.png", *arguments[2:], place.model), 2, "nowhere.png")
