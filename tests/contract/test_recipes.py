"""Every shipped recipe: its first line, its automatic settings, its weights and its network."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from sivae_translate.cli import app
from sivae_translate.data.domains import Domains, find_domains
from sivae_translate.errors import UsageError
from sivae_translate.models.pretrained import build_model
from sivae_translate.recipe import dump_recipe, load_recipe, recipe_names, recipe_summary, recipe_text
from sivae_translate.training.autoconfig import resolve
from sivae_translate.training.configure import configure
from sivae_translate.training.constructors import build_objective, check_model
from sivae_translate.training.directory import check_same_recipe

NAMES = [name for name in recipe_names() if name != "style"]
WEIGHTS = {"beta_rec", "beta_kl", "beta_neg", "alpha", "vae_fraction", "fake_fraction"}
STYLE_WEIGHTS = WEIGHTS | {"beta_style", "feature_matching", "back_translation"}
DETAIL_WEIGHTS = {"prior_fraction", "adversarial_from", "critic", "adversarial"}


def test_the_shipped_recipes_have_these_names() -> None:
    assert set(recipe_names()) == {
        *("tiny", "style", "objects", "pictures", "detail", "objects-128", "objects-256", "conv"),
        *("cifar10", "mnist", "conv-128", "conv-256", "synthesis-128", "synthesis-256"),
    }


@pytest.fixture
def domains(tmp_path: Path) -> Domains:
    return folder(tmp_path / "images", 2)


def folder(root: Path, domains: int) -> Domains:
    """One image in each domain; of no domain, a bare image."""
    for name in [f"{i:02}" for i in range(domains)] or [""]:
        (root / name).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (70, 90), "red").save(root / name / "1.png")
    return find_domains(root)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_recipe_resolves_and_builds(name: str, device: str, domains: Domains) -> None:
    recipe, _ = resolve(load_recipe(name, ["training.precision=fp32"]), domains, device)
    check_model(recipe)
    build_objective(recipe)
    with torch.device("meta"):
        model = build_model(recipe.model, ("a", "b"), recipe.data.size)
    assert sum(parameter.numel() for parameter in model.parameters()) > 1e5


@pytest.mark.parametrize("name", recipe_names())
def test_the_first_line_of_a_recipe_is_a_summary(name: str) -> None:
    assert 40 < len(recipe_summary(name)) < 120
    assert max(map(len, recipe_text(name).splitlines())) <= 120


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_states_every_weight_that_trains(name: str) -> None:
    tables = tomllib.loads(recipe_text(name))
    translates = tables["model"]["name"] in ("style", "detail")
    assert tables["objective"].keys() >= weights_of(tables["objective"]["name"], translates)
    if translates:
        assert tables["data"].keys() >= {"domain_aug", "encoder_warp"}
    if tables["model"]["name"] == "style":
        assert "content_stride" in tables["model"]


def weights_of(objective: str, translates: bool) -> set[str]:
    return DETAIL_WEIGHTS if objective == "iterative-back-translation" else STYLE_WEIGHTS if translates else WEIGHTS


@pytest.mark.parametrize("name", NAMES)
def test_kl_weights_are_per_nat_at_every_size(name: str) -> None:
    objective = load_recipe(name).objective
    assert objective.get("beta_kl", 0) < 1e-3
    assert "beta_neg" not in objective or objective["beta_kl"] < objective["beta_neg"] <= 0.5


def test_the_weights_of_objects_agree_at_every_size() -> None:
    assert load_recipe("objects").objective == load_recipe("objects-128").objective
    assert load_recipe("objects").objective == load_recipe("objects-256").objective


@pytest.mark.parametrize("name", recipe_names())
def test_a_dry_run_prints_a_complete_recipe(name: str, domains: Domains) -> None:
    result = CliRunner().invoke(app, ["train", "--domains", str(domains.root), "--recipe", name, "--dry-run"])
    assert result.exit_code == 0, result.output
    printed = tomllib.loads(result.stdout)
    assert printed["objective"].keys() >= weights_of(printed["objective"]["name"], False)
    assert {"lr", "ema", "seed"} <= printed["training"].keys()
    assert printed["training"]["precision"] != "auto" and printed["data"]["size"] and printed["model"].get("patch", 1)


@pytest.mark.parametrize(
    ("count", "expected"), [(2, "pictures"), (8, "pictures"), (9, "objects"), (1, "objects"), (0, "objects")]
)
def test_style_chooses_a_recipe_by_the_domains_and_notes_it(tmp_path: Path, count: int, expected: str) -> None:
    found = folder(tmp_path / "images", count)
    recipe, _, notes = configure("style", ["objective.beta_style=0.25"], found, "cpu", tmp_path / "run")
    assert recipe.name == expected and expected in notes[0]
    assert recipe.objective["beta_style"] == 0.25
    assert recipe.objective["beta_kl"] == load_recipe(expected).objective["beta_kl"]


def test_style_chooses_detail_for_images_that_fill_their_frame(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(3):
            pixels = random.integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).resize((40, 32)).save(tmp_path / "images" / name / f"{i}.png")
    recipe, _, notes = configure("style", [], find_domains(tmp_path / "images"), "cpu", tmp_path / "run")
    assert recipe.name == "detail" and "fill their frame" in notes[0] and "pictures" in notes[0]


def test_style_alone_is_no_recipe_to_load() -> None:
    with pytest.raises(UsageError, match=r"pictures.*detail.*objects"):
        load_recipe("style")


def test_overrides_change_a_recipe_object(domains: Domains, tmp_path: Path) -> None:
    tiny = load_recipe("tiny")
    recipe, objective, _ = configure(tiny, ["objective.beta_neg=0.25"], domains, "cpu", tmp_path / "run")
    assert recipe.objective["beta_neg"] == 0.25 and objective is not None
    with pytest.raises(UsageError, match="beta_nge"):
        configure(tiny, ["objective.beta_nge=1"], domains, "cpu", tmp_path / "run")


@pytest.fixture
def started_run(tmp_path: Path, domains: Domains) -> Path:
    """A run's directory after the start of `tiny` on a CPU."""
    run = tmp_path / "run"
    (run / "state").mkdir(parents=True)
    recipe, _ = resolve(load_recipe("tiny", ["training.precision=fp32"]), domains, "cpu")
    (run / "recipe.toml").write_text(dump_recipe(recipe))
    return run


def test_a_resumed_run_keeps_its_automatic_settings(started_run: Path, domains: Domains) -> None:
    recipe, _, _ = configure("tiny", ["training.minutes=9", "training.samples=1"], domains, "cpu", started_run)
    assert recipe.training.precision == "fp32"
    check_same_recipe(started_run, recipe)


@pytest.mark.parametrize("override", ["training.precision=bf16", "objective.beta_kl=1e-3", "model.content=9"])
def test_a_run_is_not_resumed_with_another_recipe(started_run: Path, domains: Domains, override: str) -> None:
    recipe, _, _ = configure("tiny", [override], domains, "cpu", started_run)
    with pytest.raises(UsageError, match=override.partition("=")[0]):
        check_same_recipe(started_run, recipe)
