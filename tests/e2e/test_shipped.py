"""The model that ships with the package translates the built-in cars right after the installation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from sivae_translate.datasets.car_design import design
from sivae_translate.datasets.car_rendering import render
from sivae_translate.inference.translator import Translator
from sivae_translate.models.locate import SHIPPED
from sivae_translate.recipe import load_recipe

ROOT = Path(__file__).parents[2]


def view(car: int, azimuth: int, elevation: int) -> Image.Image:
    """A view of a built-in car; those from 256 on are in no set that a model was trained or measured on."""
    return Image.fromarray(render(design(0, car), azimuth, elevation, 64))


def psnr(a: Image.Image, b: Image.Image) -> float:
    x, y = (np.asarray(image, np.float64) / 255 for image in (a, b))
    return float(-10 * np.log10(((x - y) ** 2).mean()))


@pytest.fixture(scope="module")
def shipped() -> Translator:
    return Translator.from_pretrained(SHIPPED / "cars", device="cpu")


def test_unseen_cars_are_translated_nearer_to_the_truth_than_a_copy(shipped: Translator) -> None:
    pairs = [(300 + i, 310 + i, 5 * i % 24, i % 4) for i in range(8)]
    gains = list[float]()
    for content, style, azimuth, elevation in pairs:
        given, reference = view(content, azimuth, elevation), view(style, azimuth + 7, elevation)
        truth = view(style, azimuth, elevation)
        gains.append(psnr(shipped(given, style=reference), truth) - max(psnr(given, truth), psnr(reference, truth)))
    assert np.mean(gains) > 3


def test_the_command_of_the_readme_works(cli: Any, tmp_path: Path) -> None:
    words = ["--style", ROOT / "assets/car-style.png", "--device", "cpu", "--out", tmp_path / "out"]
    result = cli("run", ROOT / "assets/car.png", "--model", "cars", *words)
    assert result.exit_code == 0 and "shipped" in result.stderr, result.output
    assert Image.open(tmp_path / "out/car.png").size == (64, 64)


def test_weights_are_halves_on_disk_and_float32_in_memory(shipped: Translator) -> None:
    stored = safetensors.torch.load_file(SHIPPED / "cars/model.safetensors")
    assert {value.dtype for value in stored.values() if value.is_floating_point()} == {torch.float16}
    assert {weight.dtype for weight in shipped.model.parameters()} == {torch.float32}


def test_the_recipe_beside_the_weights_is_theirs(shipped: Translator) -> None:
    recipe = load_recipe(SHIPPED / "cars/train.toml")
    assert recipe.model == shipped.settings and recipe.data.size == shipped.frame.size
