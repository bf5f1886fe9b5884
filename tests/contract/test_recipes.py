"""Every recipe that ships: it says what it is, resolves, dry-runs, and builds its network."""

from __future__ import annotations

import tomllib

import pytest
import torch
from typer.testing import CliRunner

from sivae_translate.cli import app
from sivae_translate.models.pretrained import build_model
from sivae_translate.recipe import load_recipe, recipe_names, recipe_summary
from sivae_translate.training.run import resolve


def test_the_recipes_that_the_readme_speaks_of_are_there() -> None:
    assert set(recipe_names()) == {
        *("tiny", "style", "conv"),
        *("cifar10", "mnist", "conv-128", "conv-256", "synthesis-128", "synthesis-256"),
    }


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_resolves_and_builds(name: str) -> None:
    recipe = resolve(load_recipe(name))
    assert len(recipe_summary(name)) > 20
    with torch.device("meta"):
        model = build_model(recipe.model, ("a", "b"), recipe.data.size)
    assert sum(parameter.numel() for parameter in model.parameters()) > 1e5


@pytest.mark.parametrize("name", recipe_names())
def test_a_dry_run_prints_every_knob(name: str) -> None:
    result = CliRunner().invoke(app, ["train", "--domains", "anywhere", "--recipe", name, "--dry-run"])
    assert result.exit_code == 0, result.output
    printed = tomllib.loads(result.stdout)
    assert {"beta_neg", "warmup", "share"} <= printed["objective"].keys()
    assert {"lr", "ema", "seed"} <= printed["training"].keys()
