"""The images of a run, and notes on the files and domains that a user may have expected otherwise."""

from __future__ import annotations

from sivae_translate.data.augment import Augment
from sivae_translate.data.batches import Images
from sivae_translate.data.cache import FRACTION
from sivae_translate.data.domains import Domains
from sivae_translate.data.images import Frame
from sivae_translate.data.listing import account
from sivae_translate.errors import shown
from sivae_translate.progress import Display
from sivae_translate.recipe import Recipe
from sivae_translate.training.constructors import has_style
from sivae_translate.training.processes import local_processes

SHOWN = 10  # domains of a single image named


def load_images(domains: Domains, recipe: Recipe, display: Display) -> Images:
    """All images in the recipe's frame; those of a folder without sub-folders in pseudo-domains."""
    data = recipe.data

    def progress(done: int, total: int) -> None:
        display.step(done / total, f"reading {done:,} of {total:,} images")

    frame = Frame(data.size, data.fit, data.background_rgb, data.white or None)
    clustered = not domains.labelled and has_style(recipe)
    images = Images(domains, frame, Augment(data.size, data.augment), progress, local_processes(), whole=clustered)
    for line in (*domains.notes, *account(images.domains.left_out)):
        display.note(line)
    names = images.domains.names
    display.note(f"{len(images):,} images in {len(names):,} domain{'s' if len(names) > 1 else ''}")
    for line in reading(images):
        display.note(line)
    if clustered:
        images.assign_pseudo_domains(recipe.training.seed)
        found = len(images.domains.names)
        display.note(f"no sub-folders: clustered by colour into {found:,} pseudo-domains")
    for line in single_images(images.domains):
        display.note(line)
    return images


def reading(images: Images) -> list[str]:
    """Lines on images that are not read at the start, and on those that are decoded for every batch."""
    lines = []
    if not images.decoded:
        lines.append("images are decoded when they are first drawn, and those that cannot be read are named then")
    room = len(images) if images.in_memory else images.cache.room()
    if room < len(images):
        lines.append(
            f"the cache of decoded images, at most {FRACTION:.0%} of the free disk, has room for {room:,} of them; "
            "the others are decoded for every batch"
        )
    return lines


def single_images(domains: Domains) -> list[str]:
    """A line for each domain of one image, and one for those beyond the first `SHOWN`."""
    alone = [name for name, count in zip(domains.names, domains.counts(), strict=True) if count == 1]
    lines = [f"domain {shown(name)} has a single image, which is paired with itself" for name in alone[:SHOWN]]
    return lines + ([f"{len(alone) - SHOWN:,} more domains have a single image"] if alone[SHOWN:] else [])
