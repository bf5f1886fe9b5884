"""Settings that a recipe leaves open, picked by the images and the machine."""

from __future__ import annotations

import inspect
import statistics
from contextlib import suppress
from dataclasses import replace
from typing import Any

from sivae_translate.data.domains import Domains
from sivae_translate.data.images import UnreadableImage
from sivae_translate.data.reader import read_source
from sivae_translate.device import pick_precision
from sivae_translate.objectives import OBJECTIVES
from sivae_translate.recipe import SIZES, Recipe

LOOKED_AT = 64  # images, evenly spread
LARGEST = {"cpu": 64, "gpu": 128}  # pixels on a side that train in an hour or so
BATCH = {"cpu": 32, "gpu": 64}
# Pixels on a side from which a CPU folds larger patches, and how large: of 4 x 4 an image costs two fifths, and a run
# gets further; but in pictures the seams show.
COARSE = {"objects": {64: 4, 256: 8}, "pictures": {128: 4}}
FEW = 8  # domains; so few are kinds of pictures, more are kinds of objects
REFERENCE = 32  # pixels on a side that the weights below are for
AUGMENTATION = ("domain_aug", "encoder_warp")
WEIGHTS = ("beta_kl", "beta_style", "beta_neg", "feature_matching", "back_translation", "vae_fraction")
BY_PIXELS = ("beta_kl", "beta_neg")  # they stand against an error that is summed over the pixels
# With these the game of objects balances at 7 nats, what the plain VAE's content holds; that of pictures at 400, twice
# it: stronger, so that more of a domain's look is drawn.
OBJECTS = {
    "domain_aug": 0.5, "encoder_warp": 0.5,
    "beta_kl": 1.0, "beta_style": 0.02, "beta_neg": 1536.0, "feature_matching": 0.06, "vae_fraction": 0.9,
}  # fmt: skip
PICTURES = {
    "domain_aug": 0.0, "encoder_warp": 0.0,
    "beta_kl": 0.1, "beta_style": 1.0, "beta_neg": 20.0, "feature_matching": 0.06,
    "back_translation": 0.5, "vae_fraction": 0.7,
}  # fmt: skip


def settle(recipe: Recipe, domains: Domains, device: str) -> tuple[Recipe, str]:
    """The recipe with nothing left open, and what was picked, in a line; empty where nothing was open.

    Open are `data.size` and `data.batch` where they are 0, `data.domain_aug`, `data.encoder_warp` where None,
    `training.precision` where it is "auto", and of a model `style` the `model.patch`, `model.content_stride` and the
    objective's weights and warm-up where they are not there. Objects in any pose have a content without a layout, which
    holds a few nats; pictures have a layout, and all that they show is in it.

    Args:
        device: where it will be trained, such as "cpu" or "cuda:1".
    """
    machine = "cpu" if device == "cpu" else "gpu"
    picked: list[str] = []
    data, model, objective, training = recipe.data, dict(recipe.model), dict(recipe.objective), recipe.training
    if not data.size:
        side = typical_side(domains)
        fitting = [size for size in SIZES if REFERENCE <= size <= min(side, LARGEST[machine])]
        data = replace(data, size=max(fitting, default=REFERENCE))
        picked.append(f"size {data.size} (images of {side} px, on a {machine.upper()})")
    if not data.batch:
        data = replace(data, batch=BATCH[machine])
        picked.append(f"batch {data.batch}")
    if (precision := pick_precision(training.precision, device)) != training.precision:
        training = replace(training, precision=precision)  # type: ignore[arg-type]
        picked.append(f"precision {precision} (the fastest here)")
    kind = dict[str, float]()
    if model.get("name") == "style":
        if "content_stride" not in model:
            model["content_stride"], why = pick_content(domains)
            picked.append(f"content_stride {model['content_stride']} ({why})")
        objects = model["content_stride"] == 0
        kind = OBJECTS if objects else PICTURES
        larger = [patch for side, patch in COARSE["objects" if objects else "pictures"].items() if data.size >= side]
        if "patch" not in model and machine == "cpu" and larger:
            model["patch"] = max(larger)
            picked.append(f"patch {model['patch']} (on a CPU)")
    opened: dict[str, Any] = {name: kind.get(name, 0.0) for name in AUGMENTATION if getattr(data, name) is None}
    data = replace(data, **opened)
    picked += [f"{name} {value:g}" for name, value in opened.items() if kind]
    for name in WEIGHTS:
        if name in kind and name not in objective and name in settings_of(objective.get("name")):
            objective[name] = kind[name] * ((data.size / REFERENCE) ** 2 if name in BY_PIXELS else 1)
            picked.append(f"{name} {objective[name]:g}")
    return replace(recipe, data=data, model=model, objective=objective, training=training), ", ".join(picked)


def pick_content(domains: Domains) -> tuple[int, str]:
    """Pixels per place of the content, 0 for a vector, and why."""
    count = len(domains.names)
    if not domains.labelled:
        return 0, "no sub-folders: objects in any pose"
    if count > FEW:
        return 0, f"{count:,} domains: objects in any pose"
    return 8, f"{count} domain{'s' if count > 1 else ''}: pictures, whose layout stays"


def as_begun(recipe: Recipe, begun: Recipe) -> Recipe:
    """The recipe with what it leaves open as it was picked when the run was begun, be it on another machine."""
    data = recipe.data
    data = replace(data, size=data.size or begun.data.size, batch=data.batch or begun.data.batch)
    data = replace(data, **{name: getattr(begun.data, name) for name in AUGMENTATION if getattr(data, name) is None})
    training = recipe.training
    if training.precision == "auto":
        training = replace(training, precision=begun.training.precision)
    model, objective = dict(recipe.model), dict(recipe.objective)
    for settings, before, names in (
        (model, begun.model, ("patch", "content_stride")),
        (objective, begun.objective, WEIGHTS),
    ):
        if settings.get("name") == before.get("name"):
            settings |= {name: before[name] for name in names if name in before and name not in settings}
    return replace(recipe, data=data, model=model, objective=objective, training=training)


def typical_side(domains: Domains) -> int:
    """The median over some images of their shorter side, in pixels; REFERENCE where none can be read, as will be said
    elsewhere."""
    sides = []
    for source in domains.sources[:: -(-len(domains.sources) // LOOKED_AT)]:
        with suppress(UnreadableImage):
            sides.append(min(read_source(source).shape[:2]))
    return int(statistics.median(sides)) if sides else REFERENCE


def settings_of(objective: object) -> set[str]:
    return set(inspect.signature(OBJECTIVES[str(objective)]).parameters) if objective in OBJECTIVES else set()
