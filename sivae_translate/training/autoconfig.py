"""Automatic settings: image size, batch, patch and precision, by the images and the machine."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import suppress

from sivae_translate.data.domains import Domains
from sivae_translate.data.images import UnreadableImage
from sivae_translate.data.reader import read_source
from sivae_translate.device import pick_precision
from sivae_translate.recipe import Recipe
from sivae_translate.training.constructors import complete

SAMPLED = 64  # images whose sides are measured, evenly spread
SIZES = {"cpu": (32, 64), "gpu": (32, 64, 128)}  # pixels on a side that train in an hour or so
BATCH = {"cpu": 32, "gpu": 64}
PATCH = 2
# Side in pixels from which a CPU takes larger patches -> patch. With patches of 4 x 4 an image costs two fifths, so a
# run sees more images. In pictures the borders between patches show, so they take them later.
CPU_PATCH = {"objects": {64: 4, 256: 8}, "pictures": {128: 4}}

Automatic = Callable[[Recipe, Domains, str], tuple[int | str, str]]


def resolve(recipe: Recipe, domains: Domains, device: str, begun: Recipe | None = None) -> tuple[Recipe, str]:
    """The recipe with every setting written out, and its automatic settings in one line ("" where it has none).

    Automatic settings are `data.size` = 0, `data.batch` = 0, `model.patch` = 0 and `training.precision` = "auto".

    Args:
        device: where training will run, such as "cpu" or "cuda:1".
        begun: the recipe of the run to resume, which then gives the automatic settings.

    Raises:
        UsageError: an unknown model, objective or key, a value of another type, no budget, or a precision that the
            device does not compute in.
    """
    recipe = complete(recipe)
    recipe.training.require_end()
    notes = []
    for key, automatic in AUTOMATIC.items():
        if recipe.get(key) in (0, "auto"):
            kept = begun.get(key) if begun else None
            value, reason = (kept, "as the run began") if kept else automatic(recipe, domains, device)
            recipe = recipe.override({key: value})
            notes.append(f"{key.partition('.')[2]} {value} ({reason})")
    pick_precision(recipe.training.precision, device)
    return recipe, ", ".join(notes)


def automatic_size(recipe: Recipe, domains: Domains, device: str) -> tuple[int, str]:
    """The largest size that trains in an hour or so on this device and that most images have."""
    side, sizes = typical_side(domains), SIZES[machine(device)]
    return max((size for size in sizes if size <= side), default=sizes[0]), f"images of {side} px, {where(device)}"


def automatic_batch(recipe: Recipe, domains: Domains, device: str) -> tuple[int, str]:
    """32 rows on a CPU, 64 on a GPU."""
    return BATCH[machine(device)], where(device)


def automatic_patch(recipe: Recipe, domains: Domains, device: str) -> tuple[int, str]:
    """2 on a GPU; on a CPU by the size and by whether the content is a vector (`CPU_PATCH`)."""
    if machine(device) == "gpu":
        return PATCH, where(device)
    table = CPU_PATCH["objects" if recipe.model.get("content_stride") == 0 else "pictures"]
    patches = [patch for size, patch in table.items() if recipe.data.size >= size]
    return max(patches, default=PATCH), where(device)


def automatic_precision(recipe: Recipe, domains: Domains, device: str) -> tuple[str, str]:
    """bf16 where the device is faster in it, else fp32."""
    return pick_precision("auto", device), "the fastest here"


AUTOMATIC: dict[str, Automatic] = {  # the patch goes by the size
    "data.size": automatic_size,
    "data.batch": automatic_batch,
    "model.patch": automatic_patch,
    "training.precision": automatic_precision,
}


def machine(device: str) -> str:
    """ "cpu" or "gpu"."""
    return "cpu" if device == "cpu" else "gpu"


def where(device: str) -> str:
    return f"on a {machine(device).upper()}"


def typical_side(domains: Domains) -> int:
    """Median shorter side in pixels of some images; the smallest automatic size where none can be read.

    Reading all images reports the unreadable ones later.
    """
    sides = []
    for source in domains.sources[:: -(-len(domains.sources) // SAMPLED)]:
        with suppress(UnreadableImage):
            sides.append(min(read_source(source).shape[:2]))
    return int(statistics.median(sides)) if sides else min(SIZES["cpu"])
