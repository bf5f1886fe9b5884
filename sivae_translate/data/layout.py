"""The layout of a folder: which files belong to which domain, and which splits are held out.

    cars/red/1.png cars/blue/front/7.jpg       each sub-folder is a domain, with everything nested in it
    cars/1.png cars/2.png                      no sub-folders: one unlabelled domain
    cars/train/red/1.png cars/test/...         train/, alone or beside held-out splits: the domains are inside train/
    cars/trainA/1.png cars/testB/1.png         a split and a domain in each name: domains A and B
    cars/red/train/1.png cars/red/test/2.png   splits inside a domain: its held-out images are not trained on
    cars/car_001.mat cars/car_002.mat          Cars3D as published: a domain per file

Splits are recognised in any case, with or without a separator. Every choice among these layouts gives a note.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from sivae_translate.data.images import FORMATS
from sivae_translate.data.listing import LeftOut, is_junk, kinds, list_folder
from sivae_translate.errors import UsageError, shown

CARS3D_SUFFIX = ".mat"
TRAIN = {"train", "training"}
VALIDATION = {"val", "valid", "validation", "dev", "holdout", "heldout"}  # splits that a model may be chosen by
HELD_OUT = VALIDATION | {"test", "testing", "eval", "evaluation", "unseen"}
SEPARATOR = "[-_. ]"
BOTH = (  # trainA, train_A and horse_train, but neither trains nor training
    re.compile(rf"(?P<split>[A-Za-z]+?)(?:{SEPARATOR}|(?=[A-Z]$))(?P<domain>.+)"),
    re.compile(rf"(?P<domain>.+){SEPARATOR}(?P<split>[A-Za-z]+)"),
)
NAMED = 5  # folders named in a note

Folders = dict[str, list[Path]]
"""Images by the name of the sub-folder that holds them, at any depth."""


class SplitImages(NamedTuple):
    """The images of one domain in one held-out split.

    Attributes:
        split: the split's name in lower case, one of `HELD_OUT`.
        domain: the domain's name; "" for images directly in the split's folder.
    """

    split: str
    domain: str
    images: list[Path]


class Layout(NamedTuple):
    """The files of each domain of a folder.

    Attributes:
        base: the folder that holds the domains, which is the root or its train/.
        files: the files of each domain, at least one.
        labelled: False for images without sub-folders, whose one domain is named after the folder.
        left_out: files and folders that belong to no domain and to no held-out split, below `base` or beside it.
        notes: what was chosen, and what else the folder may mean; one line each.
        held_out: the images of held-out splits, also of domains that are not in `files`.
    """

    base: Path
    files: Folders
    labelled: bool
    left_out: list[LeftOut]
    notes: list[str]
    held_out: list[SplitImages]


def find_layout(root: Path) -> Layout:
    """The layout of a folder, from names alone.

    Raises:
        UsageError: there is no such folder, or no image in it.
    """
    if not os.path.exists(root):
        raise UsageError(f"{shown(root)} does not exist: {expected(root)}")
    if not os.path.isdir(root):
        raise UsageError(f"{shown(root)} is a file: {expected(root.parent)}")
    require_listing(root)
    images, left_out = list_folder(root)
    notes: list[str] = []
    held: list[SplitImages] = []
    base, folders = training_split(root, images, notes, held)
    files = {
        name: training_images(base, name, paths, notes, held)
        for name, paths in sides(folders, base.joinpath, notes, held).items()
    }
    beside = [] if root == base else directly_in(root, images)
    left_out = [each for each in left_out if each.path.parent == root or belongs(each.path, base, files)]
    left_out += [LeftOut(path, f"an image beside {shown(base.name)}/") for path in beside]
    bare = directly_in(base, images)
    if files:
        notes += hints(base, files, images)
        left_out += [LeftOut(path, why_bare(path)) for path in bare]
        return Layout(base, files, True, left_out, notes, held)
    if bare:
        name = Path(os.path.abspath(root)).name or "images"
        return Layout(base, {name: bare}, False, left_out, notes, held)
    cars = [each for each in left_out if each.path.suffix.lower() == CARS3D_SUFFIX and each.path.parent == base]
    if cars:
        rest = [each for each in left_out if each not in cars]
        return Layout(
            base,
            {each.path.stem: [each.path] for each in sorted(cars, key=lambda car: car.path.stem)},
            True,
            rest,
            notes,
            held,
        )
    there = kinds(left_out)
    raise UsageError(f"{shown(root)}/ holds no images{f' ({there})' if there else ''}: {expected(root)}")


def why_bare(path: Path) -> str:
    """The reason why what counts as an image is not used beside the domains."""
    if os.path.isdir(path):
        linked = os.path.islink(path)
        return "a linked folder, which is not followed" if linked else "a folder that cannot be listed"
    return "an image beside the sub-folders of the domains"


def require_listing(base: Path) -> None:
    """Raise UsageError where a folder cannot be listed."""
    try:
        with os.scandir(base):
            pass
    except OSError as error:
        reason = str(error.strerror).lower()
        raise UsageError(f"{shown(base)} cannot be listed ({reason}): {expected(base)}") from error


def expected(root: Path) -> str:
    """The end of a message on a folder without domains."""
    return (
        f"expected one sub-folder per domain with images ({', '.join(FORMATS)}), as in "
        f"{shown(root / 'red' / '1.png')}; try `sivae-translate cars cars` for an example"
    )


def by_folder(base: Path, images: Iterable[Path]) -> Folders:
    """The images in sub-folders of `base`, by the sub-folder; those elsewhere are left out."""
    folders: Folders = {}
    above, depth = base.parts, len(base.parts)
    for path in images:
        parts = path.parts  # as Path.relative_to takes longer than all else for a large set
        if len(parts) > depth + 1 and parts[:depth] == above:
            folders.setdefault(parts[depth], []).append(path)
    return folders


def directly_in(folder: Path, images: Iterable[Path]) -> list[Path]:
    """The images of a folder that are in none of its sub-folders."""
    depth = len(folder.parts) + 1  # known at once, unlike the parent
    return [path for path in images if len(path.parts) == depth and path.parent == folder]


def training_split(root: Path, images: list[Path], notes: list[str], held: list[SplitImages]) -> tuple[Path, Folders]:
    """The folder of the domains and the images of its sub-folders.

    This is a sub-folder named like a training split where it stands alone or beside a held-out split.
    """
    folders = by_folder(root, images)
    train = [name for name in folders if name.lower() in TRAIN]
    if len(train) != 1 or not (len(folders) == 1 or any(name.lower() in HELD_OUT for name in folders)):
        return root, folders
    inside = folders.pop(train[0])
    base = root / train[0]
    if folders:
        notes.append(f"the domains are in {shown(base)}; not trained on: {counted(folders)}")
    for name, paths in folders.items():
        held += in_split(root / name, paths)
    return base, by_folder(base, inside)


def in_split(folder: Path, images: list[Path]) -> list[SplitImages]:
    """The images of a held-out split, by the sub-folders of its folder; none where the folder is no such split."""
    split = folder.name.lower()
    if split not in HELD_OUT:
        return []
    domains = by_folder(folder, images)
    bare = directly_in(folder, images)
    return [*(SplitImages(split, *each) for each in domains.items()), *([SplitImages(split, "", bare)] if bare else [])]


def sides(folders: Folders, place: Callable[[str], Path], notes: list[str], held: list[SplitImages]) -> Folders:
    """The images of each domain, where a split and a domain make up the names of folders, such as trainA.

    Args:
        place: the path of a folder by its name.
        held: receives the images of held-out splits.
    """
    parts = {name: split_and_domain(name) for name in folders}
    train = [name for name, (split, _) in parts.items() if split in TRAIN]
    others = {name: paths for name, paths in folders.items() if name not in train}
    splits = all(parts[name][0] or name.lower() in HELD_OUT for name in others)  # else express_train beside bus
    by_domain = {parts[name][1]: folders[name] for name in train}
    unique = len(by_domain) == len(train)  # else trainA beside train_A
    if not (train and unique and splits and len(train) + len(others) > 1):
        return folders
    notes.append(f"the domains are {named(by_domain)}{f'; not trained on: {counted(others)}' if others else ''}")
    for name, paths in others.items():
        held += [SplitImages(*parts[name], paths)] if parts[name][0] else in_split(place(name), paths)
    return dict(sorted(by_domain.items()))


def split_and_domain(name: str) -> tuple[str, str]:
    """ "trainA", "train_A" or "A_train" -> ("train", "A"); other names -> ("", name)."""
    for match in filter(None, (pattern.fullmatch(name) for pattern in BOTH)):
        if match["split"].lower() in TRAIN | HELD_OUT:
            return match["split"].lower(), match["domain"]
    return "", name


def training_images(
    base: Path, domain: str, images: list[Path], notes: list[str], held: list[SplitImages]
) -> list[Path]:
    """The images of one domain without those of held-out splits inside its folder."""
    folder = folder_of(base, images)
    inside = by_folder(folder, images)
    held_out = {name: paths for name, paths in inside.items() if name.lower() in HELD_OUT}
    if not held_out or not any(name.lower() in TRAIN for name in inside):
        return images
    notes.append(f"{shown(folder)} holds splits; not trained on: {counted(held_out)}")
    held += [SplitImages(name.lower(), domain, paths) for name, paths in held_out.items()]
    gone = {path for paths in held_out.values() for path in paths}
    return [path for path in images if path not in gone]


def hints(base: Path, files: Folders, images: Iterable[Path]) -> list[str]:
    """What else the domains may be, and the sub-folders that are none."""
    notes = []
    if len(files) == 1:
        folder = folder_of(base, next(iter(files.values())))
        inside = by_folder(folder, files[next(iter(files))])
        if len(inside) > 1:
            notes.append(f"{shown(folder)} is the only domain; if {named(inside)} are domains, give {shown(folder)}")
    splits = [name for name in files if name.lower() in TRAIN | HELD_OUT]
    if splits and len(files) > 1:
        notes.append(f"{named(splits)}: used as a domain; keep what is held out beside a folder train/")
    filled = by_folder(base, images)
    empty = [folder.name for folder in folders_in(base) if folder.name not in filled]
    if empty:
        notes.append(f"sub-folders without images: {named(empty)}")
    return notes


def folder_of(base: Path, images: list[Path]) -> Path:
    """The sub-folder of `base` that holds the images of one domain."""
    return base / images[0].relative_to(base).parts[0]


def folders_in(base: Path) -> list[Path]:
    """The sub-folders, sorted, without junk and links."""
    with os.scandir(base) as entries:
        names = sorted(e.name for e in entries if not is_junk(e.name) and e.is_dir(follow_symlinks=False))
    return [base / name for name in names]


def belongs(path: Path, base: Path, files: Folders) -> bool:
    """Whether a path lies below `base`, and in no held-out split."""
    if not path.is_relative_to(base):
        return False
    name = path.relative_to(base).parts[0]
    split = name.lower() if name.lower() in HELD_OUT else split_and_domain(name)[0]
    return name in files or split not in HELD_OUT


def named(folders: Iterable[str]) -> str:
    """The first names of some folders, such as "horse, zebra"."""
    names = sorted(folders)
    return ", ".join(map(shown, names[:NAMED])) + (", ..." if len(names) > NAMED else "")


def counted(folders: Folders) -> str:
    """The first names of some folders with their numbers of images, such as "test (12 images)"."""
    entries = [f"{shown(name)} ({len(paths):,} images)" for name, paths in sorted(folders.items())]
    return ", ".join(entries[:NAMED]) + (", ..." if len(entries) > NAMED else "")
