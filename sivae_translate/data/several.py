"""Several folders of one data set: which of them are trained on, and what those are called that are domains."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from sivae_translate.data.layout import HELD_OUT, TRAIN, SplitImages, sides
from sivae_translate.errors import UsageError, first_few, shown
from sivae_translate.names import as_text


def require_apart(roots: Sequence[Path]) -> None:
    """Raise UsageError where a folder is given twice, or is inside another one, so that images would count twice."""
    real = [root.resolve() for root in roots]
    for i, root in enumerate(roots):
        for j, other in enumerate(roots):
            if i < j and real[i] == real[j]:
                raise UsageError(f"{shown(root)} is given twice: expected it once")
            if real[j] in real[i].parents:
                raise UsageError(f"{shown(root)} is inside {shown(other)}: expected one of the two")


def training_folders(roots: Sequence[Path], notes: list[str]) -> list[Path]:
    """The folders without held-out splits, such as test/, where train/ is given too."""
    if not any(root.name.lower() in TRAIN for root in roots):
        return list(roots)
    held_out = [root for root in roots if root.name.lower() in HELD_OUT]
    if held_out:
        notes.append(f"not used: {first_few([shown(root) for root in held_out])}")
    return [root for root in roots if root not in held_out]


def names_of_folders(
    images: Mapping[Path, Sequence[Path]], notes: list[str], held: list[SplitImages]
) -> dict[Path, str]:
    """The domain of each folder that is one, without held-out splits where trainA, testA and the like are given.

    Args:
        images: those of each folder, at least one.
        held: receives the images of held-out splits.

    Raises:
        UsageError: two folders have one name.
    """
    by_name = dict[str, Path]()
    for root in images:
        name = as_text(Path(os.path.abspath(root)).name)
        other = by_name.setdefault(name, root)
        if other != root:
            raise UsageError(f"{shown(other)} and {shown(root)} would both be the domain {name}: rename one of them")
    folders = {name: list(images[root]) for name, root in by_name.items()}
    domains = sides(folders, by_name.__getitem__, notes, held)
    root_of = {images[root][0]: root for root in by_name.values()}
    return {root_of[paths[0]]: domain for domain, paths in domains.items()}
