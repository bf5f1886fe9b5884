"""The loader beside the training step, the second start of a run beside the first, and the start of a large set."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from sivae_translate.bench.ratio import Ratio, in_turn, seconds
from sivae_translate.data.augment import Augment
from sivae_translate.data.batches import Images, PairSampler, batches
from sivae_translate.data.cache import FRESH, KEY, ImageCache
from sivae_translate.data.domains import Domains, find_domains
from sivae_translate.data.images import Frame
from sivae_translate.data.survey import survey
from sivae_translate.device import pick_device
from sivae_translate.models.pretrained import build_model
from sivae_translate.progress import Silent
from sivae_translate.recipe import Recipe
from sivae_translate.training.augment import augment_batch
from sivae_translate.training.configure import configure
from sivae_translate.training.images import load_images
from sivae_translate.training.loop import autocast
from sivae_translate.training.optimizers import Optimizers
from sivae_translate.training.processes import new_accelerator
from sivae_translate.types import Batch, Objective

GOAL = 2.0  # images/s of the loader alone over those of the step
LOADED = 60  # batches timed together, of which processes may have read a few before
STARTED = 3000  # files of the set that is started twice
LARGE = 1_000_000  # files of the set that is started without decoding
SIDE = 256  # pixels of the files of both


class Family(NamedTuple):
    """A recipe on a set of so many domains."""

    recipe: str
    domains: int
    settings: tuple[str, ...] = ()


FAMILIES = {
    "objects": Family("objects", 20),
    "pictures": Family("pictures", 2),
    "conv": Family("conv", 1),
    "synthesis": Family("synthesis-128", 1, ("data.size=64", "model.width=128")),
}


def loader_ratios(device: str) -> Iterator[Ratio]:
    """The loader's speed over the step's in each family of recipes, and the times of starts over those they save."""
    with own_caches() as folder:
        for name, family in FAMILIES.items():
            yield from family_ratios(name, family, folder / name, pick_device(device))
        yield from start_ratios(folder / "started")


@contextmanager
def own_caches() -> Iterator[Path]:
    """A temporary folder, which also holds the caches of decoded images."""
    before = os.environ.get("XDG_CACHE_HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        try:
            yield Path(folder)
        finally:
            del os.environ["XDG_CACHE_HOME"]
            if before is not None:
                os.environ["XDG_CACHE_HOME"] = before


def family_ratios(name: str, family: Family, folder: Path, device: str) -> Iterator[Ratio]:
    """The loader over the step as a plain VAE, its fastest; of images in memory, and of those in the cache."""
    draw_set(folder, family.domains, 400, 64)
    found = find_domains(folder)
    recipe, objective, _ = configure(family.recipe, family.settings, found, device, folder / "run")
    images, data = load_images(found, recipe, Silent()), recipe.data
    step = training_step(recipe, objective, images, device)
    for where in ("in memory", "in the cache"):
        if where == "in the cache":
            images.pixels = None
        with closing(stream(images, data.batch, data.workers, device)) as loaded:
            own, loading = in_turn(step, partial(take, loaded), rounds=3, skipped=1)
        value, reference = data.batch * LOADED / loading, data.batch / own
        sizes = f"{data.size} px, batch {data.batch}, images {where}"
        yield Ratio(f"loader, {name}", value, reference, "images/s", "the step", value / reference, GOAL, sizes)


def stream(images: Images, batch: int, workers: int | None, device: str) -> Generator[Batch]:
    sampler = PairSampler(images.domains.labels, batch=batch, seed=0)
    return batches(images, sampler, workers=workers, device=torch.device(device))


def take(loaded: Iterator[Batch]) -> None:
    for _ in range(LOADED):
        next(loaded)


def training_step(recipe: Recipe, objective: Objective, images: Images, device: str) -> Callable[[], None]:
    """A step of `train_loop` at the start of training, on batches that are there already."""
    settings, data = recipe.training, recipe.data
    torch.manual_seed(0)
    model = build_model(recipe.model, images.domains.names, data.size)
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    accelerator = new_accelerator(device, settings.precision)
    optimizers = Optimizers(model, accelerator, lr=settings.lr, betas=settings.betas, clip=settings.clip)
    with closing(stream(images, data.batch, 0, device)) as loaded:
        ready = cycle([next(loaded) for _ in range(4)])
    generator = torch.Generator(device)

    def step() -> None:
        batch = augment_batch(next(ready), 0.0, generator, domain_aug=data.domain_aug, encoder_warp=data.encoder_warp)
        for phase in autocast(objective.play(model, batch, 0.0, generator, model), accelerator):
            optimizers.step(phase)

    return step


def start_ratios(folder: Path) -> Iterator[Ratio]:
    """A second start, and that of a set too large to be decoded first, over a start that decodes all images."""
    draw_set(folder, 20, STARTED, SIDE)
    found, frame = find_domains(folder), Frame(64, "crop", (255, 255, 255))
    time.sleep(FRESH)  # younger files are not cached
    start = partial(Images, found, frame, Augment(frame.size))
    first, second = seconds(start), seconds(start)
    about = f"{STARTED:,} files of {SIDE} px, decoded once"
    yield Ratio("second start", second, first, "s", "the first", first / second, None, about)
    listing, looking, opening = in_turn(
        partial(find_domains, folder),
        partial(survey, found),
        partial(ImageCache, *simulated_cache(found, frame)),
        rounds=3,
        skipped=1,
    )
    value, reference = opening + (listing + looking) * LARGE / STARTED, first * LARGE / STARTED
    about = (
        f"{LARGE:,} files: {opening:.2g} s to open a simulated index of that many, measured; listing them and decoding "
        f"them extrapolated from {STARTED:,}"
    )
    yield Ratio("start of a large set", value, reference, "s", "decoding it", reference / value, None, about)


def simulated_cache(found: Domains, frame: Frame) -> tuple[Path, Frame]:
    """A cache of `LARGE` images, whose keys are random and whose rows take no space on the disk."""
    other = Frame(frame.size, "stretch", frame.background)
    cache = ImageCache(found.base, other)
    cache.keys.write_bytes(np.random.default_rng(0).bytes(KEY * LARGE))
    os.truncate(cache.rows, cache.row_bytes * LARGE)
    return found.base, other


def draw_set(folder: Path, domains: int, images: int, side: int) -> None:
    """Smooth random pictures as PNG files of this side in pixels, in a sub-folder for each domain."""
    random = np.random.default_rng(0)
    for number in range(images):
        path = folder / f"domain-{number % domains:02}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(path, compress_level=1)
