"""Automatic settings: image size, white, batch size, patch and precision, from the images and the device."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np

from sivae_translate.data.domains import Domains, Source
from sivae_translate.data.images import BACKGROUND, Frame, UnreadableImage
from sivae_translate.data.reader import read_in_frame, source_size
from sivae_translate.data.white import white_of
from sivae_translate.device import pick_precision
from sivae_translate.recipe import Recipe
from sivae_translate.training.captured import check_capture
from sivae_translate.training.constructors import complete

SAMPLED = 64  # images that are measured, evenly spread
THUMBNAIL = Frame(64, "stretch", BACKGROUND)  # in which borders are measured
NEARLY = 16  # levels of 255
EVEN_BORDER = 0.8  # least share of one colour; medians are .93 to 1 in emoji, cars and toys, .2 in photographs
SIZES = {"cpu": (32, 64), "gpu": (32, 64, 128)}  # pixels on a side that train in an hour or so
BATCH = {"cpu": 32, "gpu": 64}
PATCH = 2
# Least side of the images in pixels -> patch on a CPU. With patches of 4 x 4 an image takes two fifths of the time. The
# borders between patches are visible in pictures, so their least side is larger.
CPU_PATCH = {"objects": {64: 4, 256: 8}, "pictures": {128: 4}}

Automatic = Callable[[Recipe, Domains, str], tuple[float | str, str]]


def resolve(recipe: Recipe, domains: Domains, device: str, begun: Recipe | None = None) -> tuple[Recipe, str]:
    """The complete recipe with all automatic settings resolved, and a line that lists them ("" for none).

    Automatic settings are `data.size` = 0, `data.white` = 0, `data.batch` = 0, `model.patch` = 0 and
    `training.precision` = "auto". White stays 0 where no image needs one.

    Args:
        device: where training will run, such as "cpu" or "cuda:1".
        begun: the complete recipe of the run to resume, whose values then replace the automatic settings.

    Raises:
        UsageError: an unknown model, objective or key, a value of another type, no budget, or a precision that the
            device does not support, or `training.capture` where a step cannot be captured.
    """
    recipe = complete(recipe)
    recipe.training.require_end()
    notes = []
    for key, automatic in AUTOMATIC.items():
        if recipe.get(key) in (0, "auto"):
            resumed = (begun.get(key), "as in the resumed run") if begun else None
            value, reason = resumed or automatic(recipe, domains, device)
            recipe = recipe.override({key: value})
            if value:
                notes.append(f"{key.partition('.')[2]} {value} ({reason})")
    pick_precision(recipe.training.precision, device)
    check_capture(recipe.training, device)
    return recipe, ", ".join(notes)


def automatic_size(recipe: Recipe, domains: Domains, device: str) -> tuple[int, str]:
    """The largest size in `SIZES` for this device that is not above the images' typical side."""
    side, sizes = typical_side(domains), SIZES[machine(device)]
    return max((size for size in sizes if size <= side), default=sizes[0]), f"images of {side} px, {where(device)}"


def automatic_white(recipe: Recipe, domains: Domains, device: str) -> tuple[float, str]:
    """The smallest full scale that holds the float and 32-bit images; 0 where there are none."""
    return white_of(domains.sources) or 0.0, "the smallest full scale that holds the float and 32-bit images"


def automatic_batch(recipe: Recipe, domains: Domains, device: str) -> tuple[int, str]:
    """32 on a CPU, 64 on a GPU."""
    return BATCH[machine(device)], where(device)


def automatic_patch(recipe: Recipe, domains: Domains, device: str) -> tuple[int, str]:
    """2 on a GPU; on a CPU as in `CPU_PATCH`, by the size and the kind of content."""
    if machine(device) == "gpu":
        return PATCH, where(device)
    table = CPU_PATCH["objects" if recipe.model.get("content_stride") == 0 else "pictures"]
    patches = [patch for size, patch in table.items() if recipe.data.size >= size]
    return max(patches, default=PATCH), where(device)


def automatic_precision(recipe: Recipe, domains: Domains, device: str) -> tuple[str, str]:
    """bf16 where the device is faster in it, else fp32."""
    return pick_precision("auto", device), "the fastest here"


AUTOMATIC: dict[str, Automatic] = {  # in this order, as the patch depends on the size
    "data.size": automatic_size,
    "data.white": automatic_white,
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
    """Median shorter side of up to `SAMPLED` images in pixels; the smallest automatic size where none can be read.

    Unreadable images are skipped, as training reports them.
    """
    sides = []
    for source in sampled(domains):
        with suppress(UnreadableImage):
            sides.append(min(source_size(source)))
    return int(statistics.median(sides)) if sides else min(SIZES["cpu"])


def fill_frame(domains: Domains) -> bool:
    """Whether images fill their frame, as photographs and paintings do, and are not on an even ground, as icons are.

    Most of up to `SAMPLED` images then have no border of one colour. Unreadable images are skipped.
    """
    shares = []
    for source in sampled(domains):
        with suppress(UnreadableImage):
            shares.append(even_border(read_in_frame(source, THUMBNAIL)))
    return bool(shares) and statistics.median(shares) < EVEN_BORDER


def even_border(image: np.ndarray) -> float:
    """The share of an image's border, two pixels wide, that has nearly its median colour. uint8 `[H, W, 3]` -> 0..1."""
    inner = np.zeros(image.shape[:2], bool)
    inner[2:-2, 2:-2] = True
    border = image[~inner].astype(int)
    return float((np.abs(border - np.median(border, 0)).max(1) <= NEARLY).mean())


def sampled(domains: Domains) -> Sequence[Source]:
    """Up to `SAMPLED` images, evenly spread."""
    return domains.sources[:: -(-len(domains.sources) // SAMPLED)]
