"""Settings that a recipe leaves open, picked by the images and the machine."""

from __future__ import annotations

import statistics
from contextlib import suppress
from dataclasses import fields, replace

from sivae_translate.data.domains import Domains, read_source
from sivae_translate.data.images import UnreadableImage
from sivae_translate.objectives import OBJECTIVES
from sivae_translate.recipe import SIZES, Recipe

LOOKED_AT = 64  # images, evenly spread
LARGEST = {"cpu": 64, "gpu": 128}  # pixels on a side that train in an hour or so
BATCH = {"cpu": 32, "gpu": 64}
FEW = 8  # domains; so few are kinds of pictures, more are kinds of objects
REFERENCE = 32  # pixels on a side at which the weights below were measured
WEIGHTS = {"beta_kl": 1.0, "beta_neg": 1536.0}


def settle(recipe: Recipe, domains: Domains, device: str) -> tuple[Recipe, str]:
    """The recipe with nothing left open, and what was picked, in a line; empty where nothing was open.

    Open are `data.size` and `data.batch` where they are 0, and of a model `style` the `model.grid` and the objective's
    `beta_kl` and `beta_neg` where they are not there. The weights of KL terms stand against a squared error that is
    summed over the pixels, so they grow with their number.

    Args:
        device: where it will be trained, such as "cpu" or "cuda:1".
    """
    machine = "cpu" if device == "cpu" else "gpu"
    picked: list[str] = []
    data, model, objective = recipe.data, dict(recipe.model), dict(recipe.objective)
    if not data.size:
        side = typical_side(domains)
        fitting = [size for size in SIZES if REFERENCE <= size <= min(side, LARGEST[machine])]
        data = replace(data, size=max(fitting, default=REFERENCE))
        picked.append(f"size {data.size} (images of {side} px, on a {machine.upper()})")
    if not data.batch:
        data = replace(data, batch=BATCH[machine])
        picked.append(f"batch {data.batch}")
    if model.get("name") == "style":
        if "grid" not in model:
            count = len(domains.names)
            few = count <= FEW
            model["grid"] = data.size // 8 if few else 1
            kept = "pictures, whose layout stays" if few else "objects in any pose"
            picked.append(f"grid {model['grid']} ({count:,} domain{'s' if count > 1 else ''}: {kept})")
        for name, weight in WEIGHTS.items():
            if name not in objective and name in settings_of(objective.get("name")):
                objective[name] = weight * (data.size / REFERENCE) ** 2
                picked.append(f"{name} {objective[name]:g}")
    return replace(recipe, data=data, model=model, objective=objective), ", ".join(picked)


def as_begun(recipe: Recipe, begun: Recipe) -> Recipe:
    """The recipe with what it leaves open as it was picked when the run was begun, be it on another machine."""
    data = recipe.data
    data = replace(data, size=data.size or begun.data.size, batch=data.batch or begun.data.batch)
    model, objective = dict(recipe.model), dict(recipe.objective)
    for settings, before, names in ((model, begun.model, ("grid",)), (objective, begun.objective, tuple(WEIGHTS))):
        if settings.get("name") == before.get("name"):
            settings |= {name: before[name] for name in names if name in before and name not in settings}
    return replace(recipe, data=data, model=model, objective=objective)


def typical_side(domains: Domains) -> int:
    """The median over some images of their shorter side, in pixels; REFERENCE where none can be read, as will be said
    elsewhere."""
    sides = []
    for source in domains.sources[:: -(-len(domains.sources) // LOOKED_AT)]:
        with suppress(UnreadableImage):
            sides.append(min(read_source(source).shape[:2]))
    return int(statistics.median(sides)) if sides else REFERENCE


def settings_of(objective: object) -> set[str]:
    return {field.name for field in fields(OBJECTIVES[objective])} if objective in OBJECTIVES else set()
