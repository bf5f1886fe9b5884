"""A folder to domains: what there is to read, in an order set by the names alone, and what a person should know of it.

    cars/red/1.png cars/blue/front/7.jpg     each sub-folder is a domain, whatever is nested in it belongs to it
    cars/1.png cars/2.png                    no sub-folders: one unlabelled domain
    cars/train/red/1.png cars/test/...       a train/ with held-out sets beside it, or alone: its inside, as above
    cars/trainA/1.png cars/trainB/1.png      as CycleGAN has it: domains A and B
    cars/car_001.mat cars/car_002.mat        Cars3D as published: a domain per file

Hidden files, what desktops leave behind and files that are no images are passed over. Linked files are followed, linked
folders are not.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median_low
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image

from sivae_translate.data.cars3d import read_view, view_count
from sivae_translate.data.images import BACKGROUND, Colour, UnreadableImage, open_image, read_image, to_rgb
from sivae_translate.errors import UsageError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jfif", ".jpe", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif")
CARS3D_SUFFIX = ".mat"
HELD_OUT = {"test", "val", "valid", "validation", "novel", "unseen"}
JUNK = {"thumbs.db", "desktop.ini", "__macosx"}

SMALL_SIDE = 16  # pixels; below it there is little to translate
UNBALANCED = 10  # largest domain over smallest
MANY_BAD = 0.05  # of all files

GREY = {"1": "1-bit", "L": "grey", "LA": "grey", "I;16": "16-bit grey", "I": "32-bit grey", "F": "float grey"}
UNUSUAL = {**GREY, "CMYK": "CMYK", "LAB": "LAB"}

Size = tuple[int, int]


T = TypeVar("T")


class Source(NamedTuple):
    """One image: a file, or one view inside a Cars3D file."""

    path: Path
    view: int | None = None


@dataclass(frozen=True)
class Bad:
    """A file that gives no image, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Domains:
    """The images of a data set, none of them decoded yet.

    Attributes:
        root: the folder as it was given.
        names: the domains, sorted, none empty.
        sources: the images, by domain, then by path.
        labels: the domain of each source, an index into `names`.
        bad: what was left out as unreadable.
        labelled: False for a folder of bare images: a single domain, named after the folder.
    """

    root: Path
    names: tuple[str, ...]
    sources: tuple[Source, ...]
    labels: tuple[int, ...]
    bad: tuple[Bad, ...]
    labelled: bool

    def counts(self) -> list[int]:
        """How many images each domain has, in the order of `names`."""
        images = Counter(self.labels)
        return [images[label] for label in range(len(self.names))]

    def without(self, bad: Iterable[Bad]) -> Domains:
        """These domains less the bad files, which join `bad`; a domain left empty goes. UsageError if nothing stays."""
        every = tuple(dict.fromkeys((*self.bad, *bad)))
        gone = {each.path for each in every}
        labelled_sources = zip(self.labels, self.sources, strict=True)
        kept = [(self.names[label], source) for label, source in labelled_sources if source.path not in gone]
        return _gather(self.root, kept, every, self.labelled)


@dataclass(frozen=True)
class Row:
    """One domain, decoded. The sizes are (width, height), each side by itself; (0, 0) where nothing could be read.

    Attributes:
        count: readable images.
        bad: files that give no image.
        kinds: how many are anything but plain RGB, such as {"grey": 3, "transparent": 10}.
    """

    name: str
    count: int
    bad: int
    smallest: Size
    median: Size
    largest: Size
    kinds: dict[str, int]


@dataclass(frozen=True)
class Check:
    """What to look at before training: a row per domain, every unreadable file, and a line per thing to think about."""

    rows: tuple[Row, ...]
    bad: tuple[Bad, ...]
    warnings: tuple[str, ...]


def find_domains(root: str | Path) -> Domains:
    """The domains in this folder, by any of the layouts above. Lists; decodes nothing.

    Raises:
        UsageError: there is no such folder, or no image in it.
    """
    root = Path(root)
    layout = _layout(root)
    found: list[tuple[str, Source]] = []
    bad: list[Bad] = []
    for name, files in layout.files.items():
        for file in files:
            try:
                found += [(name, source) for source in _sources(file)]
            except UnreadableImage as error:
                bad.append(Bad(file, str(error)))
    return _gather(root, found, tuple(bad), layout.labelled)


def read_source(source: Source, *, background: Colour = BACKGROUND, min_side: int | None = None) -> np.ndarray:
    """uint8 `[H, W, 3]`: `read_image`, or one view of a Cars3D file. Raises UnreadableImage."""
    if source.view is not None:
        return read_view(source.path, source.view)
    return read_image(source.path, background=background, min_side=min_side)


def list_images(root: Path) -> list[Path]:
    """All that passes for an image by its name, in this folder and the folders in it, sorted; of a file, that file.

    Broken links are listed, and so is a folder that may not be entered: whoever reads them gets the reason.

    Raises:
        UsageError: there is nothing of this name.
    """
    if os.path.isdir(root):
        return sorted(path for path in _walk(root) if path.suffix.lower() in IMAGE_SUFFIXES or os.path.isdir(path))
    if not os.path.lexists(root):
        raise UsageError(f"{shown(root)} does not exist: expected an image or a folder of images")
    return [root]


def evenly_spread(items: Sequence[T], count: int) -> list[T]:
    """At most `count` of these, at even distances; all of them where there are no more."""
    count = min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def check(domains: Domains, progress: Callable[[int, int], None] | None = None) -> Check:
    """Decodes every image and tells what a person wants to know before training.

    `progress` is called with the number of images done and their total, after each.

    Raises:
        UsageError: no image can be read.
    """
    sizes: list[list[Size]] = [[] for _ in domains.names]
    kinds: list[Counter[str]] = [Counter() for _ in domains.names]
    bad = list(domains.bad)
    first: dict[bytes, tuple[int, Source]] = {}
    twins: list[tuple[Source, Source]] = []
    for done, (label, source) in enumerate(zip(domains.labels, domains.sources, strict=True), start=1):
        try:
            pixels, unusual = _inspect(source)
        except UnreadableImage as error:
            bad.append(Bad(source.path, str(error)))
        else:
            sizes[label].append((pixels.shape[1], pixels.shape[0]))
            kinds[label].update(unusual)
            met_in, met = first.setdefault(_digest(pixels), (label, source))
            if met_in != label:
                twins.append((met, source))
        if progress:
            progress(done, len(domains.sources))
    domains.without(bad)  # raises where nothing is left
    bad = list(dict.fromkeys(bad))  # a bad Cars3D file was met once per view
    layout = _layout(domains.root)
    domain_of = {file: name for name, files in layout.files.items() for file in files}
    bad_in = Counter(domain_of.get(each.path) for each in bad)
    rows = tuple(_row(name, bad_in[name], sizes[d], kinds[d]) for d, name in enumerate(domains.names))
    warnings = [*_left_out(layout), *_bad_warnings(bad, rows), *_size_warnings(rows, sizes), *_twin_warnings(twins)]
    return Check(rows, tuple(bad), tuple(warnings))


def report_lines(report: Check) -> list[str]:
    """A check as lines of text: a table of the domains, then bad files, then warnings."""
    names = [shown(row.name) for row in report.rows]
    width = max(6, *(len(name) for name in names))
    lines = [f"{'domain':{width}}   images   bad   smallest     median    largest   kinds"]
    for name, row in zip(names, report.rows, strict=True):
        sizes = "".join(f"{f'{w}x{h}':>11}" for w, h in (row.smallest, row.median, row.largest))
        kinds = ", ".join(f"{count} {kind}" for kind, count in row.kinds.items())
        lines.append(f"{name:{width}} {row.count:8,} {row.bad:5,}{sizes}   {kinds}".rstrip())
    lines.append(f"{len(names):,} domains, {sum(row.count for row in report.rows):,} images")
    lines += [f"bad: {shown(bad.path)}: {bad.reason}" for bad in report.bad]
    return lines + [f"warning: {warning}" for warning in report.warnings]


def shown(path: str | Path) -> str:
    """A name fit for one line of any terminal: newlines, control characters and undecodable bytes as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(path))


class _Layout(NamedTuple):
    base: Path  # the folder that holds the domains: the root or its train/
    files: dict[str, list[Path]]  # by domain, none empty
    labelled: bool


def _layout(root: Path) -> _Layout:
    """Which layout this folder has. `train` is a domain like any other where other domains stand beside it."""
    if not os.path.exists(root):
        raise UsageError(f"{shown(root)} does not exist: {_expected(root)}")
    if not os.path.isdir(root):
        raise UsageError(f"{shown(root)} is a file: {_expected(root.parent)}")
    base, files = root, _images_by_folder(root)
    if "train" in files and (len(files) == 1 or files.keys() & HELD_OUT):
        base = root / "train"
        files = _images_by_folder(base)
    sides = {name.removeprefix("train"): paths for name, paths in files.items() if re.fullmatch("train[A-Z]", name)}
    if len(sides) > 1:
        files = sides
    if files:
        return _Layout(base, files, labelled=True)
    if images := list_images(base):
        return _Layout(base, {Path(os.path.abspath(root)).name or "images": images}, labelled=False)
    cars = [path for path in base.iterdir() if path.suffix.lower() == CARS3D_SUFFIX and not _is_junk(path.name)]
    if cars:
        return _Layout(base, {path.stem: [path] for path in sorted(cars, key=lambda path: path.stem)}, labelled=True)
    others = _suffixes(_walk(base)) or ("only linked folders, which are not followed" if _linked_folders(base) else "")
    raise UsageError(f"{shown(root)}/ holds no images{f' ({others})' if others else ''}: {_expected(root)}")


def _expected(root: Path) -> str:
    return (
        f"expected one sub-folder of images per domain, as in {shown(root / 'red' / '1.png')}; "
        "try `sivae-translate cars cars` for a set to start with"
    )


def _images_by_folder(base: Path) -> dict[str, list[Path]]:
    """The images of each sub-folder that has any."""
    listed = {folder.name: list_images(folder) for folder in _folders(base)}
    return {name: images for name, images in listed.items() if images}


def _folders(base: Path) -> list[Path]:
    """The sub-folders that count: neither junk nor links."""
    try:
        with os.scandir(base) as entries:
            names = sorted(e.name for e in entries if not _is_junk(e.name) and e.is_dir(follow_symlinks=False))
    except OSError as error:
        reason = str(error.strerror).lower()
        raise UsageError(f"{shown(base)} cannot be listed ({reason}): {_expected(base)}") from error
    return [base / name for name in names]


def _walk(root: Path) -> Iterator[Path]:
    """Every file below this folder that is not junk, and every folder that may not be entered, in no set order."""
    pending = [root]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as entries:
                inside = [entry for entry in entries if not _is_junk(entry.name)]
        except OSError:
            yield folder
            continue
        for entry in inside:
            path = folder / entry.name
            if entry.is_dir(follow_symlinks=False):
                pending.append(path)
            elif not (entry.is_symlink() and os.path.isdir(path)):  # entry.is_dir() would raise on a link to itself
                yield path


def _is_junk(name: str) -> bool:
    return name.startswith(".") or name.lower() in JUNK


def _linked_folders(base: Path) -> list[Path]:
    links = (path for path in base.iterdir() if path.is_symlink() and not _is_junk(path.name))
    return sorted(path for path in links if os.path.isdir(path))


def _sources(file: Path) -> list[Source]:
    """What this file offers; UnreadableImage where there is nothing to read as can be told without decoding."""
    if os.path.isdir(file):
        raise UnreadableImage("a folder that cannot be listed")
    if not os.path.isfile(file):
        raise UnreadableImage("not a regular file" if os.path.exists(file) else "broken link")
    if file.suffix.lower() == CARS3D_SUFFIX:
        return [Source(file, view) for view in range(view_count(file))]
    return [Source(file)]


def _gather(root: Path, found: list[tuple[str, Source]], bad: tuple[Bad, ...], labelled: bool) -> Domains:
    """From (domain, source) pairs, sorted, to Domains."""
    if not found:
        worst = f"{shown(bad[0].path)}: {bad[0].reason}"
        fetch = "run `git lfs pull`" if bad[0].reason == "git-lfs pointer" else "fetch or unpack the set once more"
        raise UsageError(f"{shown(root)}/ holds no readable image ({len(bad)} bad, such as {worst}): {fetch}")
    names = tuple(dict.fromkeys(name for name, _ in found))
    label_of = {name: label for label, name in enumerate(names)}
    sources, labels = tuple(source for _, source in found), tuple(label_of[name] for name, _ in found)
    return Domains(root, names, sources, labels, bad, labelled)


def _inspect(source: Source) -> tuple[np.ndarray, list[str]]:
    """Pixels, and what is unusual about the file."""
    if source.view is not None:
        return read_source(source), []
    image = open_image(source.path)
    return np.asarray(to_rgb(image)), _kinds(image)


def _kinds(image: Image.Image) -> list[str]:
    kinds = [UNUSUAL[mode] for mode in (image.mode[:4],) if mode in UNUSUAL]  # "I;16" and its byte orders
    if image.has_transparency_data:
        kinds.append("transparent")
    with suppress(Exception):  # to count frames Pillow may read on into damaged ones, which nobody asked for
        if getattr(image, "is_animated", False):
            kinds.append("several frames")
    return kinds


def _digest(pixels: np.ndarray) -> bytes:
    return hashlib.blake2b(str(pixels.shape).encode() + pixels.tobytes(), digest_size=16).digest()


def _row(name: str, bad: int, sizes: list[Size], kinds: Counter[str]) -> Row:
    widths, heights = zip(*sizes, strict=True) if sizes else ((0,), (0,))
    smallest, median, largest = ((f(widths), f(heights)) for f in (min, median_low, max))
    return Row(name, len(sizes), bad, smallest, median, largest, dict(kinds.most_common()))


def _left_out(layout: _Layout) -> Iterator[str]:
    """A line for each sort of thing that lies in the folder and is not used."""
    used = {path for paths in layout.files.values() for path in paths}
    bare = [path for path in list_images(layout.base) if path.parent == layout.base and path not in used]
    if bare:
        yield f"images beside the sub-folders are ignored: {len(bare)}, such as {shown(bare[0].name)}"
    others = _suffixes(path for path in _walk(layout.base) if path not in used)
    if others:
        yield f"files that are no images are ignored: {others}"
    empty = [shown(folder.name) for folder in _folders(layout.base) if not list_images(folder)]
    if empty:
        yield f"sub-folders without images are ignored: {', '.join(empty[:5])}{', ...' if len(empty) > 5 else ''}"
    linked = _linked_folders(layout.base)
    if linked:
        yield f"linked folders are not followed: {len(linked)}, such as {shown(linked[0].name)}"


def _suffixes(paths: Iterable[Path]) -> str:
    """The files here that are no images, as "3 .txt, 1 .csv"."""
    suffixes = Counter(path.suffix.lower() or "without suffix" for path in paths)
    named = [f"{count} {shown(suffix)}" for suffix, count in suffixes.most_common() if suffix not in IMAGE_SUFFIXES]
    return ", ".join(named[:5]) + (", ..." if len(named) > 5 else "")


def _bad_warnings(bad: list[Bad], rows: tuple[Row, ...]) -> Iterator[str]:
    total = len(bad) + sum(row.count for row in rows)
    if len(bad) > MANY_BAD * total:
        yield f"many unreadable files: {len(bad)} of {total}, such as {shown(bad[0].path)}: {bad[0].reason}"
    for row in rows:
        if row.count == 0:
            yield f"domain {shown(row.name)} has no readable image"


def _size_warnings(rows: tuple[Row, ...], sizes: list[list[Size]]) -> Iterator[str]:
    """Too few images, too uneven, or too small."""
    for row in rows:
        if row.count == 1:
            yield f"domain {shown(row.name)} has a single image"
    few, many = (f((row for row in rows if row.count), key=lambda row: row.count) for f in (min, max))
    if many.count > UNBALANCED * few.count:
        yield f"very unbalanced: {many.count} images in {shown(many.name)}, {few.count} in {shown(few.name)}"
    small = sum(min(size) < SMALL_SIDE for domain in sizes for size in domain)
    if small:
        yield f"images less than {SMALL_SIDE} pixels wide or high: {small}"


def _twin_warnings(twins: list[tuple[Source, Source]]) -> Iterator[str]:
    if twins:
        one, other = twins[0]
        yield f"images found in two domains: {len(twins)}, such as {shown(one.path)} and {shown(other.path)}"
