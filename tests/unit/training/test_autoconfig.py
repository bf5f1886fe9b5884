"""Automatic settings go by the images and the machine, and every other setting stays as the recipe has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sivae_translate import device as machine
from sivae_translate.data.domains import Domains, find_domains
from sivae_translate.errors import UsageError
from sivae_translate.recipe import difference, dump_recipe, load_recipe
from sivae_translate.training.autoconfig import AUTOMATIC, even_border, fill_frame, resolve
from sivae_translate.training.constructors import complete

OBJECTS, PICTURES = "objects", "pictures"


@pytest.fixture(autouse=True)
def quick_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a GPU, whose CPU is not timed."""
    monkeypatch.setattr(machine, "_cpu_likes_bf16", lambda: True)
    monkeypatch.setattr(machine.torch.cuda, "is_bf16_supported", lambda: False)


def folder(root: Path, side: int) -> Domains:
    """Two domains of two images, whose shorter side is `side` pixels."""
    for domain in "ab":
        (root / domain).mkdir(exist_ok=True)
        for image in range(2):
            Image.new("RGB", (side + 40, side), "red").save(root / domain / f"{image}.png")
    return find_domains(root)


def automatic(name: str, domains: Domains, device: str, *overrides: str) -> tuple[Any, ...]:
    recipe, _ = resolve(load_recipe(name, overrides), domains, device)
    return tuple(recipe.get(key) for key in AUTOMATIC if key != "data.white")  # 0 for 8-bit images


@pytest.mark.parametrize(
    ("side", "device", "expected"),
    [
        (300, "cpu", (64, 32, 4, "bf16")),
        (300, "cuda:1", (128, 64, 2, "fp32")),
        (100, "mps", (64, 64, 2, "fp32")),
        (63, "cpu", (32, 32, 2, "bf16")),
        (20, "cpu", (32, 32, 2, "bf16")),
    ],
)
def test_automatic_settings_go_by_the_images_and_the_machine(
    tmp_path: Path, side: int, device: str, expected: tuple[Any, ...]
) -> None:
    assert automatic(OBJECTS, folder(tmp_path, side), device) == expected


@pytest.mark.parametrize(
    ("name", "device", "size", "patch"),
    [
        (OBJECTS, "cpu", 32, 2), (OBJECTS, "cpu", 64, 4), (OBJECTS, "cpu", 128, 4), (OBJECTS, "cpu", 256, 8),
        (PICTURES, "cpu", 64, 2), (PICTURES, "cpu", 128, 4), (PICTURES, "cpu", 256, 4), (OBJECTS, "cuda", 256, 2),
        ("conv", "cpu", 64, 2),
    ],
)  # fmt: skip
def test_a_cpu_takes_larger_patches_the_larger_the_images(
    tmp_path: Path, name: str, device: str, size: int, patch: int
) -> None:
    got = automatic(name, folder(tmp_path, 300), device, f"data.size={size}", "model.patch=0")
    assert got[2] == patch


def test_the_line_names_every_automatic_setting_and_no_other(tmp_path: Path) -> None:
    domains = folder(tmp_path, 300)
    _, line = resolve(load_recipe(PICTURES), domains, "cpu")
    for part in ("size 64 (images of 300 px", "batch 32 (", "patch 2 (", "precision bf16 ("):
        assert part in line
    _, line = resolve(load_recipe(PICTURES, ["data.size=32", "training.precision=fp32"]), domains, "cpu")
    assert "size" not in line and "precision" not in line and "batch" in line


@pytest.mark.parametrize("name", [OBJECTS, PICTURES, "tiny", "conv"])
def test_a_setting_that_is_not_automatic_stays(tmp_path: Path, name: str) -> None:
    recipe = load_recipe(name, ["data.batch=0"])
    resolved, _ = resolve(recipe, folder(tmp_path, 300), "cpu")
    changed = {line.partition(":")[0] for line in difference(complete(recipe), resolved)}
    assert "data.batch" in changed and changed <= set(AUTOMATIC)
    again, line = resolve(resolved, folder(tmp_path, 20), "cuda")
    assert again == resolved and line == ""


def test_a_resumed_run_keeps_its_automatic_settings_on_another_machine(tmp_path: Path) -> None:
    domains = folder(tmp_path, 300)
    first, _ = resolve(load_recipe(OBJECTS), domains, "cpu")
    resumed, _ = resolve(load_recipe(OBJECTS), domains, "cuda", first)
    assert resumed == first
    explicit, _ = resolve(load_recipe(OBJECTS, ["model.patch=8"]), domains, "cuda", first)
    assert explicit.model["patch"] == 8


def test_resolving_writes_out_every_default_and_reloads_as_itself(tmp_path: Path) -> None:
    resolved, _ = resolve(load_recipe("conv"), folder(tmp_path, 300), "cpu")
    assert resolved.model["max_width"] == 256 and "fake_fraction" in resolved.objective
    (tmp_path / "conv.toml").write_text(dump_recipe(resolved))
    assert load_recipe(tmp_path / "conv.toml") == resolved


def test_images_that_cannot_be_read_give_the_smallest_size(tmp_path: Path) -> None:
    domains = folder(tmp_path, 300)
    for source in domains.sources:
        source.path.write_bytes(b"no image")
    assert automatic(OBJECTS, domains, "cpu")[0] == 32


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("training.minutes=0", "training.minutes"),
        ("training.precision=fp16", "training.precision"),
        ("model.content_stride=x", "model.content_stride"),
        ("model.patch=true", "model.patch"),
        ("model.name=stile", "model.name"),
        ("objective.name=gan", "objective.name"),
        ("objective.beta_nge=1", "objective.beta_nge"),
    ],
)
def test_a_recipe_that_cannot_be_trained_is_an_error(tmp_path: Path, override: str, key: str) -> None:
    with pytest.raises(UsageError, match=key):
        resolve(load_recipe(OBJECTS, [override]), folder(tmp_path, 64), "cpu")


def test_an_even_border_is_the_share_of_border_pixels_of_nearly_one_colour() -> None:
    image = np.full((20, 20, 3), 200, np.uint8)
    image[2:-2, 2:-2] = np.random.default_rng(0).integers(0, 256, (16, 16, 3))
    assert even_border(image) == 1
    image[:2] += 16
    assert even_border(image) == 1
    image[:2] += 1
    assert even_border(image) == pytest.approx(1 - 40 / 144)


@pytest.mark.parametrize(("filled", "expected"), [(0, False), (2, False), (4, True), (5, True)])
def test_images_fill_their_frame_where_most_of_their_borders_are_uneven(
    tmp_path: Path, filled: int, expected: bool
) -> None:
    random = np.random.default_rng(0)
    (tmp_path / "a").mkdir()
    for i in range(5):
        pixels = np.full((6, 6, 3), 255, np.uint8)
        if i < filled:
            pixels = random.integers(0, 256, pixels.shape, np.uint8)
        Image.fromarray(pixels).resize((90, 60)).save(tmp_path / "a" / f"{i}.png")
    (tmp_path / "a" / "broken.png").write_bytes(b"no image")
    assert fill_frame(find_domains(tmp_path)) is expected


def test_folders_without_a_readable_image_fill_no_frame(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    assert not fill_frame(find_domains(tmp_path))
