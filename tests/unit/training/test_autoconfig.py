"""What a recipe leaves open is picked by the images and the machine, and what it says is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from sivae_translate.data.domains import Domains, find_domains
from sivae_translate.errors import UsageError
from sivae_translate.recipe import Recipe, dump_recipe, load_recipe
from sivae_translate.training.autoconfig import FEW, as_begun, settle
from sivae_translate.training.run import check_same_recipe, resolve, settled


def folder(root: Path, domains: int, side: int) -> Domains:
    """Two images in each domain; of no domain, two bare images."""
    for domain in [f"{i:02}" for i in range(domains)] or [""]:
        (root / domain).mkdir(exist_ok=True)
        for image in range(2):
            Image.new("RGB", (side + 40, side), "red").save(root / domain / f"{image}.png")
    return find_domains(root)


def picked(recipe: Recipe) -> tuple[object, ...]:
    data, objective = recipe.data, recipe.objective
    weights = (
        objective.get(name, 0.0)
        for name in ("beta_kl", "beta_style", "beta_neg", "feature_matching", "back_translation", "vae_fraction")
    )
    return data.size, data.batch, recipe.model["content_stride"], data.domain_aug, data.encoder_warp, *weights


@pytest.mark.parametrize(
    ("domains", "side", "device", "expected"),
    [
        (2, 300, "cpu", (64, 32, 8, 0.0, 0.0, 0.4, 1.0, 80.0, 0.06, 0.5, 0.7)),
        (2, 300, "cuda:1", (128, 64, 16, 0.0, 0.0, 1.6, 1.0, 320.0, 0.06, 0.5, 0.7)),
        (2, 100, "mps", (64, 64, 8, 0.0, 0.0, 0.4, 1.0, 80.0, 0.06, 0.5, 0.7)),
        (2, 20, "cpu", (32, 32, 4, 0.0, 0.0, 0.1, 1.0, 20.0, 0.06, 0.5, 0.7)),
        (FEW + 1, 64, "cpu", (64, 32, 1, 0.5, 0.5, 4.0, 0.02, 6144.0, 0.06, 0.0, 0.9)),
        (0, 64, "cpu", (64, 32, 1, 0.5, 0.5, 4.0, 0.02, 6144.0, 0.06, 0.0, 0.9)),
    ],
)
def test_what_is_open_follows_the_images_and_the_machine(
    tmp_path: Path, domains: int, side: int, device: str, expected: tuple[float, ...]
) -> None:
    recipe, said = settle(load_recipe("style"), folder(tmp_path, domains, side), device)
    assert picked(recipe) == expected
    size, batch, stride, *rest = expected
    for part in (f"size {size} (images of {side} px", f"batch {batch}", f"content_stride {stride} ("):
        assert part in said
    names = (
        "domain_aug",
        "encoder_warp",
        "beta_kl",
        "beta_style",
        "beta_neg",
        "feature_matching",
        "back_translation",
        "vae_fraction",
    )
    found = [
        f"{name} {value:g}" for name, value in zip(names, rest, strict=True) if stride or name != "back_translation"
    ]
    assert said.endswith(", ".join(found))


def test_a_cpu_folds_larger_patches_the_larger_the_images_and_of_pictures_later(tmp_path: Path) -> None:
    domains = folder(tmp_path, FEW + 1, 300)
    for device, overrides, patch in (
        ("cpu", [], 4), ("cuda", [], None), ("cpu", ["data.size=32"], None), ("cpu", ["model.patch=2"], 2),
        ("cpu", ["model.content_stride=8"], None), ("cpu", ["model.content_stride=8", "data.size=128"], 4),
        ("cpu", ["data.size=256"], 8), ("cpu", ["model.content_stride=8", "data.size=256"], 4),
    ):  # fmt: skip
        recipe, said = settle(load_recipe("style", overrides), domains, device)
        assert recipe.model.get("patch") == patch
        picked = patch is not None and "patch" not in load_recipe("style", overrides).model
        assert (f"patch {patch} (on a CPU)" in said) == picked
    begun, _ = settle(load_recipe("style"), domains, "cpu")
    assert settle(as_begun(load_recipe("style"), begun), domains, "cuda")[0].model == begun.model


def test_what_the_recipe_says_stays_and_nothing_is_said(tmp_path: Path) -> None:
    domains = folder(tmp_path, 2, 300)
    overrides = [
        "data.size=32",
        "data.batch=8",
        "data.domain_aug=0.1",
        "data.encoder_warp=0.2",
        "model.content_stride=0",
    ]
    overrides += [
        "objective.beta_kl=7",
        "objective.beta_style=8",
        "objective.beta_neg=9",
        "objective.back_translation=1",
    ]
    overrides += ["objective.feature_matching=0.5", "objective.vae_fraction=0.3", "training.precision=bf16"]
    recipe, said = settle(load_recipe("style", overrides), domains, "cpu")
    assert picked(recipe) == (32, 8, 1, 0.1, 0.2, 7, 8, 9, 0.5, 1, 0.3) and said == ""
    assert recipe.training.precision == "bf16"


def test_a_model_without_style_is_not_augmented_and_nothing_is_said(tmp_path: Path) -> None:
    conv, domains = load_recipe("conv", ["training.precision=fp32"]), folder(tmp_path, 2, 300)
    recipe, said = settle(conv, domains, "cpu")
    assert (recipe.data.domain_aug, recipe.data.encoder_warp, said) == (0.0, 0.0, "")
    assert (recipe.model, recipe.objective) == (conv.model, conv.objective)


def test_the_content_that_was_chosen_decides_the_rest(tmp_path: Path) -> None:
    domains = folder(tmp_path, 2, 300)
    recipe, _ = settle(load_recipe("style", ["model.content_stride=0"]), domains, "cpu")
    assert (recipe.data.encoder_warp, recipe.objective["beta_kl"]) == (0.5, 4)
    recipe, _ = settle(load_recipe("style", ["model.content_stride=8"]), domains, "cpu")
    assert (recipe.data.encoder_warp, recipe.objective["beta_kl"]) == (0, 0.4)


def test_the_weights_follow_a_size_that_was_chosen(tmp_path: Path) -> None:
    recipe, said = settle(load_recipe("style", ["data.size=128"]), folder(tmp_path, 2, 300), "cpu")
    assert picked(recipe) == (128, 32, 16, 0.0, 0.0, 1.6, 1.0, 320.0, 0.06, 0.5, 0.7)
    assert "size" not in said


def test_an_objective_is_given_only_what_it_takes(tmp_path: Path) -> None:
    vae = load_recipe("style", ["objective.name=vae"])
    recipe, said = settle(vae, folder(tmp_path, 2, 64), "cpu")
    assert "beta_neg" not in recipe.objective and recipe.objective["beta_kl"] == 0.4 and "beta_neg" not in said


def test_a_run_goes_on_with_what_was_picked_when_it_was_begun(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    domains, run = folder(tmp_path / "images", 2, 300), tmp_path / "run"
    begun, _ = settle(load_recipe("style"), domains, "cpu")
    (run / "state").mkdir(parents=True)
    (run / "recipe.toml").write_text(dump_recipe(begun))
    on_a_gpu, said = settled(load_recipe("style"), domains, "cuda", run)
    assert picked(on_a_gpu) == picked(begun) and said == ""
    assert on_a_gpu.training.precision == begun.training.precision != "auto"
    conv = load_recipe("conv")
    assert as_begun(conv, begun).model == conv.model


def test_a_run_that_wrote_auto_down_goes_on_and_one_that_wrote_a_precision_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "recipe.toml").write_text(dump_recipe(resolve(load_recipe("tiny"))))
    check_same_recipe(tmp_path, resolve(load_recipe("tiny", ["training.precision=fp32"])))
    (tmp_path / "recipe.toml").write_text(dump_recipe(resolve(load_recipe("tiny", ["training.precision=bf16"]))))
    with pytest.raises(UsageError, match="precision"):
        check_same_recipe(tmp_path, resolve(load_recipe("tiny", ["training.precision=fp32"])))


def test_images_that_cannot_be_read_leave_the_smallest_size(tmp_path: Path) -> None:
    domains = folder(tmp_path, 1, 300)
    for source in domains.sources:
        source.path.write_bytes(b"no image")
    assert settle(load_recipe("style"), domains, "cpu")[0].data.size == 32


@pytest.mark.parametrize("stride", ["3", "-4", "'x'", "3.5", "true", "[1]"])
def test_an_impossible_grid_is_left_to_the_model_to_refuse(tmp_path: Path, stride: str) -> None:
    recipe, _ = settle(load_recipe("style", [f"model.content_stride={stride}"]), folder(tmp_path, 2, 300), "cpu")
    with pytest.raises(UsageError, match="content_stride"):
        resolve(recipe)
