"""Every recipe that ships: it says what it is, resolves, dry-runs, and builds its network."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from sivae_translate.cli import app
from sivae_translate.data.domains import Domains, find_domains
from sivae_translate.models.pretrained import build_model
from sivae_translate.recipe import load_recipe, recipe_names, recipe_summary
from sivae_translate.training.autoconfig import settle
from sivae_translate.training.run import resolve


def test_the_recipes_that_the_readme_speaks_of_are_there() -> None:
    assert set(recipe_names()) == {
        *("tiny", "style", "style-128", "style-256", "conv"),
        *("cifar10", "mnist", "conv-128", "conv-256", "synthesis-128", "synthesis-256"),
    }


@pytest.fixture
def domains(tmp_path: Path) -> Domains:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (70, 90), "red").save(tmp_path / name / "1.png")
    return find_domains(tmp_path)


@pytest.mark.parametrize("name", recipe_names())
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_recipe_resolves_and_builds(name: str, device: str, domains: Domains) -> None:
    recipe = resolve(settle(load_recipe(name), domains, device)[0])
    assert len(recipe_summary(name)) > 20
    with torch.device("meta"):
        model = build_model(recipe.model, ("a", "b"), recipe.data.size)
    assert sum(parameter.numel() for parameter in model.parameters()) > 1e5


@pytest.mark.parametrize("name", recipe_names())
def test_a_dry_run_prints_every_knob(name: str, domains: Domains) -> None:
    result = CliRunner().invoke(app, ["train", "--domains", str(domains.root), "--recipe", name, "--dry-run"])
    assert result.exit_code == 0, result.output
    printed = tomllib.loads(result.stdout)
    assert {"beta_neg", "vae_fraction", "fake_fraction"} <= printed["objective"].keys()
    assert {"lr", "ema", "seed"} <= printed["training"].keys()
