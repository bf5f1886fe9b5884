"""The complete recipe of a run, from what the user gave, the images, the device and an earlier part of the run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from sivae_translate.data.domains import Domains
from sivae_translate.recipe import Recipe, choose_recipe, load_recipe
from sivae_translate.training.autoconfig import fill_frame, resolve
from sivae_translate.training.constructors import build_objective, check_model
from sivae_translate.training.directory import saved_recipe
from sivae_translate.types import Objective


def configure(
    recipe: Recipe | str | Path, overrides: Sequence[str], domains: Domains, device: str, run: Path | None
) -> tuple[Recipe, Objective, list[str]]:
    """The complete recipe of a run, its objective, and notes on the selected recipe and on automatic settings.

    Args:
        recipe, overrides: as in `train`.
        device: where training will run.
        run: the run's directory, or None. A saved run in this directory determines the automatic settings.

    Raises:
        UsageError: an unknown recipe, model, objective or key, an impossible value, or no budget.
    """
    given, notes = select_recipe(recipe, overrides, domains)
    recipe, automatic = resolve(given, domains, device, saved_recipe(run) if run else None)
    notes += [f"automatic: {automatic}"] if automatic else []
    check_model(recipe)
    return recipe, build_objective(recipe), notes


def select_recipe(recipe: Recipe | str | Path, overrides: Sequence[str], domains: Domains) -> tuple[Recipe, list[str]]:
    """The recipe as it was given, automatic settings unresolved, and a note where its name stands for several."""
    if isinstance(recipe, Recipe):
        return recipe.override(overrides), []
    labelled = len(domains.names) if domains.labelled else 0
    chosen, reason = choose_recipe(recipe, labelled, partial(fill_frame, domains))
    return load_recipe(chosen, overrides), [f"recipe {chosen} ({reason})"] if reason else []
