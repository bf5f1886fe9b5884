"""The domains of a folder and their images, in an order that depends on the names alone."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from sivae_translate.data.cars3d import view_count
from sivae_translate.data.images import UnreadableImage
from sivae_translate.data.layout import CARS3D_SUFFIX, Layout, SplitImages, find_layout
from sivae_translate.data.listing import LeftOut
from sivae_translate.data.several import names_of_folders, require_apart, training_folders
from sivae_translate.errors import UsageError, first_few, shown
from sivae_translate.names import as_paths, as_text

Folders = str | Path | Sequence[str | Path]
"""A folder, or several."""


class Source(NamedTuple):
    """One image: a file, or one view inside a Cars3D file."""

    path: Path
    view: int | None = None


@dataclass(frozen=True, repr=False)
class Domains:
    """The images of a data set and their domains, not yet decoded.

    Attributes:
        root: the folder as it was given; of several, the folder above them.
        base: the folder that holds the domains, which is the root or its train/.
        names: the domains, sorted; none is empty.
        sources: the images, sorted by domain, then by path.
        labels: the domain of each source, an index into `names`.
        left_out: files and folders that are not used, with the reasons.
        labelled: False for a folder of images without sub-folders, whose one domain is named after the folder.
        notes: how the folder was understood, where there was a choice; see `data.layout`.
        held_out: (domain, image) of each held-out split by its name, such as "val", for the domains in `names` alone.
    """

    root: Path
    base: Path
    names: tuple[str, ...]
    sources: tuple[Source, ...]
    labels: tuple[int, ...]
    left_out: tuple[LeftOut, ...]
    labelled: bool
    notes: tuple[str, ...] = ()
    held_out: Mapping[str, tuple[tuple[str, Source], ...]] = field(default_factory=dict)

    def __repr__(self) -> str:
        listed = [f"{name} ({count:,})" for name, count in zip(self.names[:4], self.counts(), strict=False)]
        return (
            f"<Domains of {shown(self.root)}: {len(self.sources):,} images of {len(self.names)}: {first_few(listed)}>"
        )

    def counts(self) -> list[int]:
        """The number of images of each domain, in the order of `names`."""
        images = Counter(self.labels)
        return [images[label] for label in range(len(self.names))]

    def without(self, left_out: Iterable[LeftOut]) -> Domains:
        """These domains without some files, which are added to `left_out`. Empty domains are dropped.

        Raises:
            UsageError: no image is left.
        """
        every = tuple(dict.fromkeys((*self.left_out, *left_out)))
        gone = {each.path for each in every}
        kept = [
            (self.names[label], source)
            for label, source in zip(self.labels, self.sources, strict=True)
            if source.path not in gone
        ]
        return gather(replace(self, left_out=every), kept)


def find_domains(root: Folders) -> Domains:
    """The domains of a folder in any of the layouts of `data.layout`, or of several. Files are listed, not decoded.

    Of several folders, one with images but without sub-folders is a domain. Domains of one name in other folders are
    one domain.

    Raises:
        UsageError: there is no such folder, or no image in it; or of several, one is inside another, or two that are
            domains have one name.
    """
    roots = as_paths(root, "the folder of domains")
    return _in_one(roots[0]) if len(roots) == 1 else _in_several(roots)


def _in_one(root: Path) -> Domains:
    layout = find_layout(root)
    found: list[tuple[str, Source]] = []
    left_out = layout.left_out
    for folder, files in layout.files.items():
        name = as_text(folder)
        for file in files:
            try:
                found += [(name, source) for source in _sources(file)]
            except UnreadableImage as error:
                left_out.append(LeftOut(file, str(error)))
    empty = Domains(root, layout.base, (), (), (), tuple(left_out), layout.labelled, tuple(layout.notes))
    return replace(gather(empty, found), held_out=_held_out(layout))


def _held_out(layout: Layout) -> dict[str, tuple[tuple[str, Source], ...]]:
    """The images of held-out splits; those of a folder without sub-folders have its name as their domain."""
    alone = "" if layout.labelled else next(iter(layout.files))
    splits: dict[str, list[tuple[str, Source]]] = {}
    for split, domain, images in sorted(layout.held_out):
        if alone or domain in layout.files:
            name = as_text(alone or domain)
            splits.setdefault(split, []).extend((name, Source(path)) for path in images)
    return {split: tuple(pairs) for split, pairs in splits.items()}


def _in_several(roots: list[Path]) -> Domains:
    require_apart(roots)
    if len({root.is_absolute() for root in roots}) > 1:  # else there is no folder above all of them
        roots = [Path(os.path.abspath(root)) for root in roots]
    notes, held = list[str](), list[SplitImages]()
    every = {root: _in_one(root) for root in training_folders(roots, notes)}
    bare = {root: domains for root, domains in every.items() if not domains.labelled}
    images = {root: [source.path for source in domains.sources] for root, domains in bare.items()}
    names = names_of_folders(images, notes, held)
    found, held_out = list[tuple[str, Source]](), dict[str, list[tuple[str, Source]]]()
    for root, domains in every.items():
        if root in bare and root not in names:
            continue
        mine = [names.get(root, domains.names[label]) for label in domains.labels]
        found += zip(mine, domains.sources, strict=True)
        notes += domains.notes
        if root not in bare:
            notes.append(f"the sub-folders of {shown(root)} are domains: {first_few(domains.names)}")
        for split, images_of_split in domains.held_out.items():
            held_out.setdefault(split, []).extend((names.get(root, name), source) for name, source in images_of_split)
    learnt = {name for name, _ in found}
    for split, domain, paths in held:
        held_out.setdefault(split, []).extend((domain, Source(path)) for path in paths if domain in learnt)
    left_out = tuple(each for domains in every.values() for each in domains.left_out)
    base = Path(os.path.commonpath(roots))
    empty = Domains(base, base, (), (), (), left_out, True, tuple(notes))
    gathered = gather(empty, sorted(found, key=lambda pair: pair[0]))
    return replace(gathered, held_out={split: tuple(pairs) for split, pairs in held_out.items()})


def _sources(file: Path) -> list[Source]:
    """The images in a file, without decoding. Raises UnreadableImage for no regular file or no Cars3D file."""
    if not os.path.isfile(file):
        raise UnreadableImage(_why_no_file(file))
    if file.suffix.lower() == CARS3D_SUFFIX:
        return [Source(file, view) for view in range(view_count(file))]
    return [Source(file)]


def _why_no_file(path: Path) -> str:
    if os.path.isdir(path):
        return "a linked folder, which is not followed" if os.path.islink(path) else "a folder that cannot be listed"
    return "not a regular file" if os.path.exists(path) else "broken link"


def gather(domains: Domains, found: list[tuple[str, Source]]) -> Domains:
    """`domains` with the images of (domain, source) pairs, sorted by domain. Raises UsageError for no pair."""
    if not found:
        lost = [each for each in domains.left_out if each.lost]
        worst = f"{shown(lost[0].path)}: {lost[0].reason}"
        fix = "run `git lfs pull`" if lost[0].reason == "git-lfs pointer" else "fetch or unpack the set again"
        raise UsageError(f"{shown(domains.root)}/ holds no readable image ({len(lost)} bad, such as {worst}): {fix}")
    names = tuple(dict.fromkeys(name for name, _ in found))
    label_of = {name: label for label, name in enumerate(names)}
    sources, labels = tuple(source for _, source in found), tuple(label_of[name] for name, _ in found)
    return replace(domains, names=names, sources=sources, labels=labels)
