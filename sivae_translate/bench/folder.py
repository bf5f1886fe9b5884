"""The translation of a folder beside its stages: read, translate and write, each timed alone.

The reference is the time that no order of the work could beat on this machine: that of the slowest stage alone, or the
processor time of the three stages divided by the cores, whichever is longer. The second counts where the stages compute
on the same cores, as without a GPU. Each stage alone has the threads that it has in the pipeline.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from sivae_translate.bench.ratio import Ratio, seconds
from sivae_translate.data.images import Frame
from sivae_translate.data.reader import in_order
from sivae_translate.inference.folder import translate_folder
from sivae_translate.inference.manifest import open_manifest
from sivae_translate.inference.passes import BATCH
from sivae_translate.inference.pipeline import Job, Loaded, load, translate_batches, write_jobs
from sivae_translate.inference.shape import Shape
from sivae_translate.inference.targets import Target, domain_targets
from sivae_translate.inference.tasks import Task
from sivae_translate.inference.translator import Translator
from sivae_translate.inference.writing import Writing
from sivae_translate.models.pretrained import build_model, save_model

FILES = 160
SIDES = (64, 4000)  # pixels, log-uniform
PIXELS = 64  # side of the model's images
DOMAINS = ("a", "b", "c")
ROUNDS, SKIPPED = 3, 1
GOAL = 0.9
SHAPE = Shape()  # outputs of the model's size


@dataclass(frozen=True)
class Cost:
    """Seconds of the clock, and of all processor cores together."""

    wall: float
    cpu: float


def folder_ratios(device: str) -> Iterator[Ratio]:
    """The whole beside its slowest stage, and three targets beside three calls of one target."""
    with tempfile.TemporaryDirectory() as name:
        work = Work(Path(name), device)
        costs = in_turn_costs(work.read, work.translate, work.write, work.run_one, work.run_all)
    *stages, one, three = costs
    slowest = max(stage.wall for stage in stages)
    floor = max(slowest, sum(stage.cpu for stage in stages) / (os.cpu_count() or 1))
    alone = ", ".join(f"{name} {c.wall:.2f} s" for name, c in zip(("read", "model", "write"), stages, strict=True))
    detail = f"{FILES} files of {SIDES[0]} to {SIDES[1]} px, {PIXELS} px model; alone: {alone}"
    whole = partial(Ratio, "folder", one.wall, unit="s")
    yield whole(floor, reference_name="the stages' floor", ratio=floor / one.wall, goal=GOAL, detail=detail)
    yield whole(slowest, reference_name="the slowest stage alone", ratio=slowest / one.wall, detail=detail)
    reference = len(DOMAINS) * one.wall
    name = f"a call for each of {len(DOMAINS)} targets"
    yield Ratio("folder, all targets in one call", three.wall, reference, "s", name, reference / three.wall)


class Work:
    """A folder of images, a translator, and the calls that are timed."""

    def __init__(self, root: Path, device: str) -> None:
        self.root, self.source, self.calls = root, root / "in", 0
        write_images(self.source)
        torch.manual_seed(0)
        settings = {"name": "style"}
        model = build_model(settings, DOMAINS, PIXELS)
        save_model(root / "model", model, settings, Frame(PIXELS, "crop", (255, 255, 255)))
        self.translator = Translator.from_pretrained(root / "model", device)
        self.targets = self.domain_targets(DOMAINS[:1])
        self.loaded = list(self.reading())
        self.jobs = list(self.translating())

    def domain_targets(self, domains: tuple[str, ...]) -> list[Target]:
        return domain_targets(self.translator, domains, styles=None, seed=0, truncation=1.0)

    def reading(self) -> Iterator[Loaded]:
        (target,) = self.targets
        tasks = [Task(path, [(target, self.root / path.name)]) for path in sorted(self.source.iterdir())]
        return in_order(partial(load, frame=self.translator.frame, shape=SHAPE), tasks, ahead=2 * BATCH)

    def translating(self) -> Iterator[Job]:
        return translate_batches(self.translator, iter(self.loaded), self.targets, BATCH, None)

    def read(self) -> None:
        for _ in self.reading():
            pass

    def translate(self) -> None:
        for _ in self.translating():
            pass

    def write(self) -> None:
        out = self.new_folder()
        out.mkdir()
        jobs = [Job(job.image, job.target, out / f"{job.output.name}.png", job.picture) for job in self.jobs]
        writing = Writing(self.translator.frame, SHAPE, "png")
        with open_manifest(out, "job") as manifest:
            for _ in write_jobs(jobs, manifest, 2 * BATCH, writing):
                pass

    def run_one(self) -> None:
        translate_folder(self.translator, self.source, self.new_folder(), to=DOMAINS[0])

    def run_all(self) -> None:
        translate_folder(self.translator, self.source, self.new_folder(), to=DOMAINS)

    def new_folder(self) -> Path:
        self.calls += 1
        return self.root / f"out{self.calls}"


def write_images(folder: Path) -> None:
    """JPEG and PNG files in turn, with the grain of a photograph, and sides that are log-uniform."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    colours = Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8))
    grain = rng.integers(0, 6, (SIDES[1], SIDES[1], 1), dtype=np.uint8)
    for i, side in enumerate(rng.permutation(np.geomspace(*SIDES, FILES).round().astype(int))):
        width, height = int(side), int(side * 0.75)
        smooth = np.asarray(colours.resize((width, height), Image.Resampling.BICUBIC))
        picture = Image.fromarray((smooth & 0xF8) + grain[:height, :width])
        if i % 2:
            picture.save(folder / f"{i:04d}.png", compress_level=1)
        else:
            picture.save(folder / f"{i:04d}.jpg", quality=90)


def in_turn_costs(*calls: Callable[[], None]) -> list[Cost]:
    """The median cost of each call; the calls take turns, and the first rounds, which also set up, count not."""
    costs: list[list[Cost]] = [[] for _ in calls]
    for _ in range(SKIPPED + ROUNDS):
        for call, taken in zip(calls, costs, strict=True):
            started = time.process_time()
            wall = seconds(call)
            taken.append(Cost(wall, time.process_time() - started))
    return [
        Cost(statistics.median(c.wall for c in taken[SKIPPED:]), statistics.median(c.cpu for c in taken[SKIPPED:]))
        for taken in costs
    ]
