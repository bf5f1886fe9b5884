"""Check the images of a folder before training: sizes, what is left out, duplicates, blank images."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median_low
from typing import NamedTuple

import numpy as np
from PIL import Image

from sivae_translate.data.domains import Domains, Source
from sivae_translate.data.duplicates import Duplicates
from sivae_translate.data.images import open_image, to_rgb
from sivae_translate.data.listing import LeftOut, account
from sivae_translate.data.reader import read_each, read_source
from sivae_translate.data.white import white_of
from sivae_translate.errors import shown
from sivae_translate.progress import Progress

SMALL_SIDE = 16  # pixels; a smaller image has little to translate
UNBALANCED = 10  # ratio of the largest domain to the smallest
MANY_LOST = 0.05  # fraction of all pictures

GREY = {"1": "1-bit", "L": "grey", "LA": "grey", "I;16": "16-bit grey", "I": "32-bit grey", "F": "float grey"}
UNUSUAL = {**GREY, "CMYK": "CMYK", "LAB": "LAB"}

Size = tuple[int, int]


@dataclass(frozen=True)
class Row:
    """The images of one domain in a report.

    Attributes:
        name: of the domain.
        count: readable images.
        lost: files inside the domain's folder that are left out and may be pictures.
        smallest, median, largest: (width, height) in pixels, over widths and heights separately; (0, 0) for
            no readable image.
        kinds: numbers of images by kind, such as "grey" or "transparent", plain RGB left out.
    """

    name: str
    count: int
    lost: int
    smallest: Size
    median: Size
    largest: Size
    kinds: dict[str, int]


@dataclass(frozen=True)
class Check:
    """The report on a folder: a row per domain, what is left out, and one line per warning."""

    rows: tuple[Row, ...]
    left_out: tuple[LeftOut, ...]
    warnings: tuple[str, ...]


def check_domains(domains: Domains, progress: Progress | None = None) -> Check:
    """Decode every image and report on the folder.

    Args:
        domains: the images.
        progress: called after each image.

    Raises:
        UsageError: no image can be read.
    """
    found = [Found() for _ in domains.names]
    left_out = list(domains.left_out)
    duplicates, blank = Duplicates(), list[Source]()
    look = partial(inspect, white=white_of(domains.sources))
    held_out = [(split, source) for split, pairs in domains.held_out.items() for _, source in pairs]
    sources = (*domains.sources, *(source for _, source in held_out))
    images = read_each(look, sources, progress=progress)
    for label, source, image in zip(domains.labels, domains.sources, images, strict=False):
        if isinstance(image, LeftOut):
            left_out.append(image)
            continue
        found[label].add(image)
        duplicates.add(image.digest, domains.names[label], source)
        if image.blank:
            blank.append(source)
    for (split, source), image in zip(held_out, images, strict=True):  # those that cannot be read are not trained on
        if not isinstance(image, LeftOut):
            duplicates.add_held_out(image.digest, split, source)
    domains.without(left_out)  # raises UsageError where no image is left
    left_out = list(dict.fromkeys(left_out))  # an unreadable Cars3D file is found once per view
    lost = lost_by_domain(domains, left_out)
    rows = tuple(each.row(name, lost[name]) for name, each in zip(domains.names, found, strict=True))
    sizes = [size for each in found for size in each.sizes]
    warnings = [
        *domains.notes,
        *lost_warnings(left_out, rows),
        *domain_warnings(domains, rows),
        *size_warnings(sizes),
        *duplicates.warnings(),
        *blank_warnings(blank),
    ]
    return Check(rows, tuple(left_out), tuple(warnings))


def lost_by_domain(domains: Domains, left_out: list[LeftOut]) -> Counter[str]:
    """The number of possible pictures that are left out, by the domain that they lie in."""
    if not domains.labelled:
        return Counter({domains.names[0]: sum(each.lost for each in left_out)})
    inside = dict[Path, set[int]]()  # the domains of the images in a folder, or in a Cars3D file
    sources = zip(domains.labels, domains.sources, strict=True)
    for label, place in {(label, path.parent if view is None else path) for label, (path, view) in sources}:
        for above in (place, *place.parents):
            if above == domains.base:
                break
            inside.setdefault(above, set()).add(label)
    lost = (each.path for each in left_out if each.lost)
    nearest = (next((inside[at] for at in (path, *path.parents) if at in inside), set()) for path in lost)
    return Counter(domains.names[label] for labels in nearest if len(labels) == 1 for label in labels)


def report_lines(report: Check) -> list[str]:
    """A report as lines of text: the domains as a table, then what is left out, then the warnings."""
    names = [shown(row.name) for row in report.rows]
    width = max(6, *(len(name) for name in names))
    lines = [f"{'domain':{width}}   images  lost   smallest     median    largest   kinds"]
    for name, row in zip(names, report.rows, strict=True):
        sizes = "".join(f"{f'{w}x{h}':>11}" for w, h in (row.smallest, row.median, row.largest))
        kinds = ", ".join(f"{count} {kind}" for kind, count in row.kinds.items())
        lines.append(f"{name:{width}} {row.count:8,} {row.lost:5,}{sizes}   {kinds}".rstrip())
    lines.append(f"{len(names):,} domains, {sum(row.count for row in report.rows):,} images")
    return lines + account(report.left_out) + [f"warning: {warning}" for warning in report.warnings]


class Inspected(NamedTuple):
    """One decoded image.

    Attributes:
        size: (width, height) in pixels.
        kinds: other than plain RGB.
        digest: of the pixels.
        blank: whether all pixels have one colour.
    """

    size: Size
    kinds: list[str]
    digest: bytes
    blank: bool


@dataclass
class Found:
    """The readable images of one domain."""

    sizes: list[Size] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    def add(self, image: Inspected) -> None:
        self.sizes.append(image.size)
        self.kinds.update(image.kinds)

    def row(self, name: str, lost: int) -> Row:
        widths, heights = zip(*self.sizes, strict=True) if self.sizes else ((0,), (0,))
        smallest, median, largest = ((f(widths), f(heights)) for f in (min, median_low, max))
        return Row(name, len(self.sizes), lost, smallest, median, largest, dict(self.kinds.most_common()))


def inspect(source: Source, white: float | None = None) -> Inspected:
    """Decode one image; `white` as in `Frame`. Raises UnreadableImage."""
    if source.view is not None:
        pixels, kinds = read_source(source), list[str]()
    else:
        image = open_image(source.path)
        pixels, kinds = to_rgb(image, white=white), kinds_of(image)
    height, width = pixels.shape[:2]
    digest = hashlib.blake2b(str(pixels.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels).data)
    return Inspected((width, height), kinds, digest.digest(), bool((pixels == pixels[0, 0]).all()))


def kinds_of(image: Image.Image) -> list[str]:
    """The kinds of an image other than plain RGB, such as "grey" or "transparent"."""
    kinds = [UNUSUAL[mode] for mode in (image.mode[:4],) if mode in UNUSUAL]  # "I;16" and its byte orders
    if image.has_transparency_data:
        kinds.append("transparent")
    with suppress(Exception):  # Pillow reads all frames to count them, and unused ones may be damaged
        if getattr(image, "is_animated", False):
            kinds.append("several frames")
    return kinds


def lost_warnings(left_out: list[LeftOut], rows: tuple[Row, ...]) -> Iterator[str]:
    """Warnings of many lost pictures, and of domains without a readable image."""
    lost = [each for each in left_out if each.lost]
    total = len(lost) + sum(row.count for row in rows)
    if len(lost) > MANY_LOST * total:
        yield f"many pictures are left out: {len(lost)} of {total}, such as {shown(lost[0].path)}: {lost[0].reason}"
    for row in rows:
        if row.count == 0:
            yield f"domain {shown(row.name)} has no readable image"


def domain_warnings(domains: Domains, rows: tuple[Row, ...]) -> Iterator[str]:
    """Warnings of a single domain, of domains of one image, and of unbalanced domains."""
    if not domains.labelled:
        yield "no sub-folders, so images are clustered by colour into pseudo-domains: better, a folder for each domain"
    elif len(rows) == 1:
        yield f"{shown(rows[0].name)} is a single domain, and there is no other to translate to: add a folder beside it"
    for row in rows:
        if row.count == 1:
            yield f"domain {shown(row.name)} has a single image"
    few, many = (f((row for row in rows if row.count), key=lambda row: row.count) for f in (min, max))
    if many.count > UNBALANCED * few.count:
        yield f"very unbalanced: {many.count} images in {shown(many.name)}, {few.count} in {shown(few.name)}"


def size_warnings(sizes: list[Size]) -> Iterator[str]:
    """A warning of small images."""
    small = sum(min(size) < SMALL_SIDE for size in sizes)
    if small:
        yield f"images less than {SMALL_SIDE} pixels wide or high: {small}"


def blank_warnings(blank: list[Source]) -> Iterator[str]:
    """A warning of images of a single colour."""
    if blank:
        yield f"blank images, of a single colour: {len(blank):,}, such as {shown(blank[0].path)}"
