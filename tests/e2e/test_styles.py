"""Styles on the command line, end to end: random ones, those of an added domain, and those between two images."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_output import expect_error, numbers
from PIL import Image
from torch import Tensor

from sivae_translate.inference.translator import Translator
from sivae_translate.pictures import VISIBLE
from sivae_translate.training.run import train

SCALE = VISIBLE // 16  # pixels of a strip to one of the model


def digests(folder: Path) -> dict[str, str]:
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def pixels(path: Path | Image.Image) -> np.ndarray:
    picture = path if isinstance(path, Image.Image) else Image.open(path)
    return np.asarray(picture.convert("RGB")).astype(int)


def alike(a: Path | Image.Image, b: Path | Image.Image) -> bool:
    """Whether two pictures differ by at most one level of 255, as pictures of different batches may."""
    return bool(abs(pixels(a) - pixels(b)).max() <= 1)


def manifest(out: Path) -> dict[str, list[tuple[str, str]]]:
    """For each target of a manifest without failures, the names of the inputs and their outputs."""
    rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert {row["status"] for row in rows} == {"ok"}
    targets = dict.fromkeys(row["target"] for row in rows)
    return {
        target: [(Path(row["input"]).name, row["output"]) for row in rows if row["target"] == target]
        for target in targets
    }


@dataclass(frozen=True)
class Place:
    """A working directory, with five views of one unseen car in `frames` and three of another in `okapi`."""

    here: Path
    model: Path
    untrained: Callable[..., Path]
    frames: Path
    okapi: Path

    @property
    def view(self) -> Path:
        return self.frames / "0.png"

    @property
    def other(self) -> Path:
        return self.okapi / "1.png"

    def run(self, *arguments: object, source: Path | None = None) -> list[object]:
        return ["run", source or self.frames, "--model", self.model, *arguments]

    def add(self, name: str, *arguments: object) -> list[object]:
        return ["add-domain", name, self.okapi, "--model", self.model, "--out", "new", *arguments]

    def strip(self, *arguments: object) -> list[object]:
        return ["interpolate", self.view, self.other, "--model", self.model, *arguments]

    def folder(self, name: str) -> Path:
        (self.here / name).mkdir()
        return self.here / name

    def make(self, name: str, data: bytes = b"") -> Path:
        path = self.here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path


@pytest.fixture
def place(
    cars: Path, trained: Path, untrained: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Place:
    monkeypatch.chdir(tmp_path)
    place = Place(tmp_path, trained, untrained, tmp_path / "frames", tmp_path / "okapi")
    for folder, views in (
        (place.frames, sorted((cars / "unseen/car003").glob("*.png"))[:50:10]),
        (place.okapi, sorted((cars / "unseen/car004").glob("*.png"))[::32]),
    ):
        folder.mkdir()
        for i, path in enumerate(views):
            shutil.copy(path, folder / f"{i}.png")
    return place


# --- iterative style correction -------------------------------------------------------------------------------------


def test_style_correction_applies_to_the_styles_of_references_alone(cli: Any, place: Place) -> None:
    model = place.untrained("style", "a", "b", content_stride=4)
    translator = Translator.from_pretrained(model, device="cpu")

    def run(out: str, *arguments: object) -> Any:
        return cli("run", place.view, "--model", model, "--size", "model", *arguments, "--out", out)

    for out, how, rounds in (("default", (), 2), ("none", ("--style-correction", "0"), 0)):
        assert run(out, "--style", place.other, *how).exit_code == 0
        expected = translator(place.view, style=place.other, style_correction=rounds)
        assert alike(place.here / out / "0.png", expected)
    assert not alike(place.here / "default/0.png", place.here / "none/0.png")
    expect_error(run("none", "--style", place.other), 2, "--out")
    assert run("domain", "--to", "a").exit_code == 0
    assert numbers(run("domain", "--to", "a", "--style-correction", "5").stdout) == [0, 1]


def test_style_correction_changes_nothing_where_the_content_is_a_vector(cli: Any, place: Place) -> None:
    assert cli(*place.run("--style", place.other, "--out", "out")).exit_code == 0
    again = cli(*place.run("--style", place.other, "--style-correction", "5", "--out", "out"))
    assert numbers(again.stdout) == [0, 5]


# --- random styles --------------------------------------------------------------------------------------------------


def test_each_style_of_each_domain_gets_a_folder(cli: Any, place: Place, translator: Translator) -> None:
    result = cli(*place.run("--to", "car001", "--to", "car002", "--styles", "2", "--out", "out"))
    assert result.exit_code == 0 and numbers(result.stdout) == [20]
    targets = [f"{domain}/style-{i}" for domain in ("car001", "car002") for i in (1, 2)]
    expected = {t: [(f"{n}.png", f"{t}/{n}.png") for n in range(5)] for t in targets}
    assert manifest(place.here / "out") == expected
    for i, style in enumerate(translator.random_styles("car002", 2), start=1):
        assert alike(place.here / f"out/car002/style-{i}/0.png", translator(place.view, to=style))
    assert not alike(place.here / "out/car002/style-1/0.png", place.here / "out/car002/style-2/0.png")
    again = cli(*place.run("--to", "car001", "--to", "car002", "--styles", "2", "--out", "out"))
    assert numbers(again.stdout) == [0, 20]


def test_the_styles_of_one_domain_have_no_folder_of_the_domain(cli: Any, place: Place) -> None:
    for count in (1, 3):
        out = place.here / f"out{count}"
        assert cli(*place.run("--to", "car001", "--styles", count, "--seed", "4", "--out", out)).exit_code == 0
        assert list(manifest(out)) == [f"car001/style-{i + 1}" for i in range(count)]
        assert {path.name for path in out.iterdir() if path.is_dir()} == {f"style-{i + 1}" for i in range(count)}
    assert (place.here / "out1/style-1/3.png").read_bytes() == (place.here / "out3/style-1/3.png").read_bytes()


def test_the_seed_and_the_truncation_change_the_styles_and_neither_joins_another_s_folder(
    cli: Any, place: Place, translator: Translator
) -> None:
    outputs = {}
    for name, how in {"a": (), "b": ("--seed", "1"), "c": ("--truncation", "0.3"), "d": ("--truncation", "0")}.items():
        arguments = place.run("--to", "car001", "--styles", "1", *how, source=place.view)
        assert cli(*arguments, "--out", name).exit_code == 0
        outputs[name] = (place.here / name / "style-1/0.png").read_bytes()
    assert len(set(outputs.values())) == 4
    assert alike(place.here / "d/style-1/0.png", translator(place.view, to="car001"))
    again = place.run("--to", "car001", "--styles", "1", "--seed", "2", "--out", "a", source=place.view)
    expect_error(cli(*again), 2, "--out")


def test_all_images_get_the_same_random_styles(
    cli: Any, place: Place, translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(place.frames / "0.png", place.frames / "5.png")  # the last view is the first again
    met: list[Tensor] = []
    restyle = Translator.restyle

    def spy(self: Translator, content: Tensor, style: Tensor, **how: int) -> Tensor:
        met.extend([style] * len(content))
        return restyle(self, content, style, **how)

    monkeypatch.setattr(Translator, "restyle", spy)
    arguments = place.run("--to", "car001", "--styles", "2", "--batch", "2", "--out", "out")
    assert cli(*arguments).exit_code == 0
    first, second = translator.random_styles("car001", 2)
    assert [sum(torch.equal(style, expected) for style in met) for expected in (first, second)] == [6, 6]
    assert len(met) == 12
    for style in ("style-1", "style-2"):
        assert alike(place.here / "out" / style / "0.png", place.here / "out" / style / "5.png")
        assert not alike(place.here / "out" / style / "0.png", place.here / "out" / style / "3.png")


def test_a_model_of_one_domain_has_random_styles(cli: Any, place: Place) -> None:
    model = place.untrained("style", "only")
    result = cli("run", place.view, "--model", model, "--styles", "2", "--out", "out")
    assert result.exit_code == 0, result.output
    assert list(manifest(place.here / "out").values()) == [[("0.png", f"style-{i}/0.png")] for i in (1, 2)]


def test_of_an_animation_the_first_frame_is_translated(cli: Any, place: Place, translator: Translator) -> None:
    frames = [Image.open(path) for path in sorted(place.frames.iterdir())]
    for name in ("clip.gif", "clip.webp"):
        frames[0].save(name, save_all=True, append_images=frames[1:], duration=40)
        assert cli(*place.run("--to", "car001", "--out", f"{name}-out", source=Path(name))).exit_code == 0
        assert alike(Path(f"{name}-out/{name}.png"), translator(Image.open(name), to="car001"))
    first = translator(place.view, to="car001")
    assert abs(pixels(Path("clip.webp-out/clip.webp.png")) - pixels(first)).mean() < 8  # of 255: lossy


# --- a domain added by a few images ---------------------------------------------------------------------------------


def test_a_domain_added_by_a_few_images_is_translated_to_by_its_name(
    cli: Any, place: Place, translator: Translator
) -> None:
    before = digests(place.model)
    added = cli(*place.add("okapi"))
    assert added.exit_code == 0 and numbers(added.stdout) == [3]
    assert "sivae-translate run INPUT --to okapi --model new" in added.stdout
    assert digests(place.model) == before

    run = ("run", place.frames, "--model", "new", "--to", "okapi")
    assert cli(*run, "--out", "out").exit_code == 0
    for path in place.frames.iterdir():
        assert alike(place.here / "out" / path.name, translator(path, style=sorted(place.okapi.iterdir())))
    assert cli(*run, "--styles", "2", "--out", "random").exit_code == 0
    assert list(manifest(place.here / "random")) == ["okapi/style-1", "okapi/style-2"]
    assert cli("sample", "--model", "new", "--domain", "okapi", "--out", "okapi.png").exit_code == 0

    assert cli("run", place.view, "--model", "new", "--out", "all").exit_code == 0
    assert list(manifest(place.here / "all")) == ["car000", "car001", "car002", "okapi"]
    assert cli("run", place.view, "--model", place.model, "--out", "old").exit_code == 0
    for domain in translator.domains:  # as before, to the bit
        assert (place.here / "all" / domain / "0.png").read_bytes() == (
            place.here / "old" / domain / "0.png"
        ).read_bytes()


def test_inversion_steps_change_an_added_domain_and_a_second_one_can_be_added(cli: Any, place: Place) -> None:
    assert cli(*place.add("okapi")).exit_code == 0
    found = cli("add-domain", "okapi2", place.other, "--model", "new", "--out", "newer", "--inversion-steps", "3")
    assert found.exit_code == 0 and numbers(found.stdout) == [1]
    config = json.loads((place.here / "newer/config.json").read_text())
    assert config["domains"] == ["car000", "car001", "car002", "okapi", "okapi2"]
    styles = [Translator.from_pretrained("newer", device="cpu").style_of(to=name) for name in ("okapi", "okapi2")]
    assert not torch.equal(*styles)


def test_an_image_of_the_new_domain_that_cannot_be_read_is_left_out_and_named(
    cli: Any, place: Place, translator: Translator
) -> None:
    good = sorted(place.okapi.iterdir())
    bad = place.make("okapi/a bad one.png", b"text")
    result = cli(*place.add("okapi"))
    assert result.exit_code == 3 and str(bad) in result.stderr
    assert numbers(result.stdout) == [3]
    added = Translator.from_pretrained("new", device="cpu")
    assert torch.equal(added.style_of(to="okapi"), translator.style_of(style=good))


@pytest.mark.parametrize(("name", "code"), [("broken.png", 3), ("photo.jxl", 3), ("notes.txt", 0)])
def test_a_reference_that_is_left_out_is_named(
    cli: Any, place: Place, translator: Translator, name: str, code: int
) -> None:
    good = sorted(place.okapi.iterdir())
    left_out = place.make(f"okapi/{name}", b"text")
    result = cli(*place.run("--style", place.okapi, "--out", "out"))
    assert result.exit_code == code and str(left_out) in result.stderr
    assert numbers(result.stdout) == [5] and set(manifest(place.here / "out")) == {str(place.okapi)}
    assert alike(place.here / "out/0.png", translator(place.view, style=good))
    added = cli(*place.add("okapi"))
    assert added.exit_code == code and str(left_out) in added.stderr and numbers(added.stdout) == [3]


# --- between two styles, for a third image's content ----------------------------------------------------------------


def test_a_strip_of_a_third_image_goes_from_one_style_to_the_other(
    cli: Any, place: Place, translator: Translator
) -> None:
    content = place.frames / "3.png"
    result = cli(*place.strip("--what", "style", "--content", content, "--steps", "4", "--out", "strip.png"))
    assert result.exit_code == 0 and "strip.png" in result.stdout
    strip = Image.fromarray(pixels(Path("strip.png")).astype(np.uint8)[::SCALE, ::SCALE])
    assert strip.size == (4 * 16, 16)
    ends = strip.crop((0, 0, 16, 16)), strip.crop((48, 0, 64, 16))
    assert alike(ends[0], translator(content, style=place.view))
    assert alike(ends[1], translator(content, style=place.other))


# --- locales --------------------------------------------------------------------------------------------------------


def test_a_domain_has_one_name_under_every_locale(
    cars: Path, tiny: tuple[str, ...], command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, car in (("😀", "car000"), ("ö", "car001")):
        shutil.copytree(cars / "train" / car, tmp_path / "domains" / name)
    run = tmp_path / "run"
    train(tmp_path / "domains", "tiny", run, set=(*tiny, "training.images=16"), device="cpu")
    for name, value in {"PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "LC_ALL": "C"}.items():
        monkeypatch.setenv(name, value)
    view = cars / "unseen/car003/el0_az00.png"
    every = command("run", view, "--model", run, "--out", tmp_path / "every")
    assert every.wait() == 0, every.stderr.read()
    assert (tmp_path / "every/😀/el0_az00.png").exists() and (tmp_path / "every/ö/el0_az00.png").exists()
    one = command("run", view, "--to", "😀", "--model", run, "--out", tmp_path / "one")
    assert one.wait() == 0, one.stderr.read()
