"""The sections [model] and [objective] of a recipe, whose settings are the arguments of the constructor `name`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sivae_translate.errors import UsageError, did_you_mean
from sivae_translate.models import MODELS, TranslatingAutoencoder
from sivae_translate.models.meta import on_meta
from sivae_translate.objectives import OBJECTIVES
from sivae_translate.recipe import Recipe
from sivae_translate.schema import Settings, build, settings_of, validate
from sivae_translate.types import Objective

CONSTRUCTORS: dict[str, Mapping[str, Callable[..., Any]]] = {"model": MODELS, "objective": OBJECTIVES}
GIVEN = {"model": ("domains", "size"), "objective": ()}  # arguments that the data determine, which are no settings


def section_settings(section: str, name: str) -> type[Settings]:
    """The settings of the model or objective of this name."""
    return settings_of(CONSTRUCTORS[section][name], GIVEN[section])


def complete(recipe: Recipe) -> Recipe:
    """The recipe with the defaults of its model and objective filled in.

    Raises:
        UsageError: an unknown model, objective or key, or a value of another type.
    """
    return replace(recipe, model=_complete("model", recipe.model), objective=_complete("objective", recipe.objective))


def _complete(section: str, values: Mapping[str, Any]) -> dict[str, Any]:
    name, table = values["name"], CONSTRUCTORS[section]
    if name not in table:
        raise UsageError(f"{section}.name = {name!r}: no such {section}; {did_you_mean(name, list(table))}")
    return {"name": name, **validate(section, section_settings(section, name), arguments(values)).model_dump()}


def arguments(values: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments in a section of a recipe, which are all keys but `name`."""
    return {key: value for key, value in values.items() if key != "name"}


def has_style(recipe: Recipe) -> bool:
    """Whether the recipe's model has content and style, rather than a single latent."""
    return issubclass(MODELS[recipe.model["name"]], TranslatingAutoencoder)


def build_objective(recipe: Recipe) -> Objective:
    """The objective of a complete recipe. Raises UsageError for an impossible value."""
    objective: Objective = build("objective", OBJECTIVES[recipe.objective["name"]], arguments(recipe.objective))
    return objective


def check_model(recipe: Recipe) -> None:
    """Raise UsageError for an impossible value in [model] of a complete recipe.

    The number of domains is known only after all images are read, so the check uses one domain. A network on the meta
    device takes milliseconds.
    """
    with on_meta():
        build("model", MODELS[recipe.model["name"]], arguments(recipe.model), domains=("a",), size=recipe.data.size)
