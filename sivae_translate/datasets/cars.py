"""Write the built-in `cars` set: procedural cars on a turntable, a stand-in for Cars3D that needs no download."""

from __future__ import annotations

import csv
import itertools
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from sivae_translate.datasets.car_design import Dice, design
from sivae_translate.datasets.car_rendering import AZIMUTHS, ELEVATIONS, expect, turntable
from sivae_translate.datasets.writing import atomic_folder, is_taken
from sivae_translate.progress import Progress


class View(NamedTuple):
    """One image of the set: its split (train, test or unseen), its car, and the pose."""

    split: str
    car: int
    azimuth: int
    elevation: int

    @property
    def pose(self) -> tuple[int, int]:
        return self.azimuth, self.elevation

    @property
    def path(self) -> str:
        return f"{self.split}/car{self.car:03d}/{view_name(self.azimuth, self.elevation)}"


def view_name(azimuth: int, elevation: int) -> str:
    """The file name of a view, such as `el2_az07.png`; the azimuth wraps as in `render`."""
    return f"el{elevation}_az{azimuth % AZIMUTHS:02d}.png"


def write_set(
    out: str | Path,
    *,
    cars: int = 40,
    unseen: int = 8,
    size: int = 64,
    held_out: float = 0.15,
    pairs: int = 500,
    seed: int = 0,
    progress: Progress | None = None,
) -> None:
    """Write a set of square PNGs and two tables of translations with ground truth.

        train/carNNN/elE_azAA.png   the training cars, without their held-out views
        test/carNNN/...             the held-out views of these cars
        unseen/carNNN/...           all views of the unseen cars
        pairs_heldout.csv           content and style from train, target from test
        pairs_unseen.csv            content, style and target from unseen

    A row of a table names three files, relative to `out`. For cars A and B, content is A at pose p, style is B at
    another pose, and target is B at pose p.

    Args:
        out: a new or empty folder, which appears under its name only when complete.
        cars: number of training cars, 2 or more.
        unseen: number of unseen cars, 2 or more.
        size: side of the images in pixels, 16..512.
        held_out: fraction of each training car's 96 views that is held out, above 0 and up to 0.5.
        pairs: rows of each table.
        seed: of all random numbers.
        progress: called after each image.

    Raises:
        UsageError: an argument is out of range, or `out` is not empty.
    """
    expect(cars >= 2, "cars", cars, "2 or more, for content and style to differ", "cars=40")
    expect(unseen >= 2, "unseen", unseen, "2 or more, for content and style to differ", "unseen=8")
    expect(16 <= size <= 512, "size", size, "16..512 pixels", "size=64")
    expect(0 < held_out <= 0.5, "held_out", held_out, "a fraction above 0 and up to 0.5", "held_out=0.15")
    expect(pairs >= 1, "pairs", pairs, "1 or more", "pairs=500")
    out = Path(out).resolve()
    expect(not is_taken(out), "out", out, "a new or empty folder", f"{out}-2, or remove what is there")

    views = split_views(cars, unseen, held_out, Dice(f"split/{seed}"))
    # The set is a function of the seed strings, so they never change.
    train, test, others = ([view for view in views if view.split == split] for split in ("train", "test", "unseen"))
    with atomic_folder(out) as folder:
        write_views(folder, views, seed, size, progress)
        write_pairs(folder / "pairs_heldout.csv", test, train, pairs, Dice(f"pairs_heldout/{seed}"))
        write_pairs(folder / "pairs_unseen.csv", others, others, pairs, Dice(f"pairs_novel/{seed}"))


def split_views(cars: int, unseen: int, held_out: float, dice: Dice) -> list[View]:
    """Every view of every car with its split, car by car.

    The poses are shuffled once into a cycle, and each car holds out the next part of the cycle. All poses are then held
    out about equally often, and every held-out pose occurs among the training views of other cars.
    """
    poses = list(itertools.product(range(AZIMUTHS), range(ELEVATIONS)))
    cycle, stretch = dice.shuffled(poses), max(1, round(held_out * len(poses)))
    views = []
    for car in range(cars):
        test = {cycle[(car * stretch + step) % len(cycle)] for step in range(stretch)}
        views += [View("test" if pose in test else "train", car, *pose) for pose in poses]
    return views + [View("unseen", cars + extra, *pose) for extra in range(unseen) for pose in poses]


def write_views(folder: Path, views: list[View], seed: int, size: int, progress: Progress | None) -> None:
    """Write the image of each view."""
    done = 0
    for number, group in itertools.groupby(views, key=lambda view: view.car):
        paths = {view.pose: folder / view.path for view in group}
        for parent in {path.parent for path in paths.values()}:
            parent.mkdir(parents=True)
        for azimuth, elevation, picture in turntable(design(seed, number), size):
            Image.fromarray(picture).save(paths[azimuth, elevation])
            done += 1
            if progress is not None:
                progress(done, len(views))


def write_pairs(file: Path, targets: list[View], sources: list[View], count: int, dice: Dice) -> None:
    """Write a table of `count` rows. Every target occurs once before any target recurs."""
    at_pose, of_car = defaultdict(list), defaultdict(list)
    for view in sources:
        at_pose[view.pose].append(view)
        of_car[view.car].append(view)
    with file.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(("content", "style", "target"))
        for target in itertools.islice(itertools.cycle(dice.shuffled(targets)), count):
            content = dice.choice([view for view in at_pose[target.pose] if view.car != target.car])
            style = dice.choice([view for view in of_car[target.car] if view.pose != target.pose])
            table.writerow((content.path, style.path, target.path))
