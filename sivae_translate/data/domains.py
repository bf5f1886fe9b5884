"""Find the domains of a folder and their images, in an order that depends on the names alone.

    cars/red/1.png cars/blue/front/7.jpg     each sub-folder is a domain, with everything nested in it
    cars/1.png cars/2.png                    no sub-folders: one unlabelled domain
    cars/train/red/1.png cars/test/...       train/, alone or beside held-out sets: the domains are inside train/
    cars/trainA/1.png cars/trainB/1.png      CycleGAN's layout: domains A and B
    cars/car_001.mat cars/car_002.mat        Cars3D as published: a domain per file

Hidden files, system files such as Thumbs.db and files that are no images are skipped. Links to files are followed,
links to folders are not.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sivae_translate.data.cars3d import view_count
from sivae_translate.data.images import UnreadableImage
from sivae_translate.data.listing import IMAGE_SUFFIXES, LeftOut, is_junk, list_images, shown, walk
from sivae_translate.errors import UsageError

CARS3D_SUFFIX = ".mat"
HELD_OUT = {"test", "val", "valid", "validation", "unseen"}


class Source(NamedTuple):
    """One image: a file, or one view inside a Cars3D file."""

    path: Path
    view: int | None = None


@dataclass(frozen=True)
class Domains:
    """The images of a data set and their domains, not yet decoded.

    Attributes:
        root: the folder as it was given.
        names: the domains, sorted; none is empty.
        sources: the images, sorted by domain, then by path.
        labels: the domain of each source, an index into `names`.
        bad: unreadable files, which are left out.
        labelled: False for a folder of images without sub-folders, whose one domain is named after the folder.
    """

    root: Path
    names: tuple[str, ...]
    sources: tuple[Source, ...]
    labels: tuple[int, ...]
    bad: tuple[LeftOut, ...]
    labelled: bool

    def counts(self) -> list[int]:
        """The number of images of each domain, in the order of `names`."""
        images = Counter(self.labels)
        return [images[label] for label in range(len(self.names))]

    def without(self, bad: Iterable[LeftOut]) -> Domains:
        """These domains without the files in `bad`, which are added to `bad`. Empty domains are dropped.

        Raises:
            UsageError: no image is left.
        """
        every = tuple(dict.fromkeys((*self.bad, *bad)))
        gone = {each.path for each in every}
        labelled_sources = zip(self.labels, self.sources, strict=True)
        kept = [(self.names[label], source) for label, source in labelled_sources if source.path not in gone]
        return _gather(self.root, kept, every, self.labelled)


def find_domains(root: str | Path) -> Domains:
    """The domains of a folder in any of the layouts above. Files are listed, not decoded.

    Raises:
        UsageError: there is no such folder, or no image in it.
    """
    root = Path(root)
    layout = find_layout(root)
    found: list[tuple[str, Source]] = []
    bad: list[LeftOut] = []
    for name, files in layout.files.items():
        for file in files:
            try:
                found += [(name, source) for source in _sources(file)]
            except UnreadableImage as error:
                bad.append(LeftOut(file, str(error)))
    return _gather(root, found, tuple(bad), layout.labelled)


class Layout(NamedTuple):
    """The files of each domain of a folder.

    Attributes:
        base: the folder that holds the domains, which is the root or its train/.
        files: the files of each domain, at least one.
        labelled: see `Domains`.
    """

    base: Path
    files: dict[str, list[Path]]
    labelled: bool


def find_layout(root: Path) -> Layout:
    """The layout of a folder. `train` is an ordinary domain where other domains stand beside it.

    Raises:
        UsageError: see `find_domains`.
    """
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
        return Layout(base, files, labelled=True)
    if images := list_images(base):
        return Layout(base, {Path(os.path.abspath(root)).name or "images": images}, labelled=False)
    cars = [path for path in base.iterdir() if path.suffix.lower() == CARS3D_SUFFIX and not is_junk(path.name)]
    if cars:
        return Layout(base, {path.stem: [path] for path in sorted(cars, key=lambda path: path.stem)}, labelled=True)
    others = other_suffixes(walk(base)) or (
        "only linked folders, which are not followed" if linked_folders(base) else ""
    )
    raise UsageError(f"{shown(root)}/ holds no images{f' ({others})' if others else ''}: {_expected(root)}")


def _expected(root: Path) -> str:
    return (
        f"expected one sub-folder of images per domain, as in {shown(root / 'red' / '1.png')}; "
        "try `sivae-translate cars cars` for an example"
    )


def _images_by_folder(base: Path) -> dict[str, list[Path]]:
    """The images of each sub-folder that holds at least one."""
    listed = {folder.name: list_images(folder) for folder in folders_in(base)}
    return {name: images for name, images in listed.items() if images}


def folders_in(base: Path) -> list[Path]:
    """The sub-folders, sorted, without junk and links. Raises UsageError where the folder cannot be listed."""
    try:
        with os.scandir(base) as entries:
            names = sorted(e.name for e in entries if not is_junk(e.name) and e.is_dir(follow_symlinks=False))
    except OSError as error:
        reason = str(error.strerror).lower()
        raise UsageError(f"{shown(base)} cannot be listed ({reason}): {_expected(base)}") from error
    return [base / name for name in names]


def linked_folders(base: Path) -> list[Path]:
    """The links to folders in a folder, sorted."""
    links = (path for path in base.iterdir() if path.is_symlink() and not is_junk(path.name))
    return sorted(path for path in links if os.path.isdir(path))


def _sources(file: Path) -> list[Source]:
    """The images in a file, without decoding. Raises UnreadableImage for no regular file or no Cars3D file."""
    if os.path.isdir(file):
        raise UnreadableImage("a folder that cannot be listed")
    if not os.path.isfile(file):
        raise UnreadableImage("not a regular file" if os.path.exists(file) else "broken link")
    if file.suffix.lower() == CARS3D_SUFFIX:
        return [Source(file, view) for view in range(view_count(file))]
    return [Source(file)]


def _gather(root: Path, found: list[tuple[str, Source]], bad: tuple[LeftOut, ...], labelled: bool) -> Domains:
    """Domains from (domain, source) pairs, sorted by domain. Raises UsageError for no pair."""
    if not found:
        worst = f"{shown(bad[0].path)}: {bad[0].reason}"
        fix = "run `git lfs pull`" if bad[0].reason == "git-lfs pointer" else "fetch or unpack the set again"
        raise UsageError(f"{shown(root)}/ holds no readable image ({len(bad)} bad, such as {worst}): {fix}")
    names = tuple(dict.fromkeys(name for name, _ in found))
    label_of = {name: label for label, name in enumerate(names)}
    sources, labels = tuple(source for _, source in found), tuple(label_of[name] for name, _ in found)
    return Domains(root, names, sources, labels, bad, labelled)


def other_suffixes(paths: Iterable[Path]) -> str:
    """The files that are no images, counted by suffix, such as "3 .txt, 1 .csv"."""
    suffixes = Counter(path.suffix.lower() or "without suffix" for path in paths if not os.path.isdir(path))
    named = [f"{count} {shown(suffix)}" for suffix, count in suffixes.most_common() if suffix not in IMAGE_SUFFIXES]
    return ", ".join(named[:5]) + (", ..." if len(named) > 5 else "")
