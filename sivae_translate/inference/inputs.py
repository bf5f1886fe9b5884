"""The images that a command is given, a file or a folder tree, with an account of what is left out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sivae_translate.data.images import FORMATS
from sivae_translate.data.listing import LeftOut, Listing, list_folder, shown
from sivae_translate.errors import UsageError

NAMED = 4  # kinds of files in the error about a folder without images


def list_inputs(source: Path, *, outside: Path | None = None) -> Listing:
    """The images of a folder tree, or a single file, as in `list_folder`.

    Args:
        outside: folder of the outputs; files below it are neither images nor left out.

    Raises:
        UsageError: no such file or folder, or no image.
    """
    images, left_out = list_folder(source)
    if outside is not None:
        base = source if source.is_dir() else source.parent
        real, inside = base.resolve(), outside.resolve()

        def is_output(path: Path) -> bool:
            if path.is_symlink() and path.resolve() == inside:
                return True
            return inside in (real / path.relative_to(base)).parents

        images = [path for path in images if not is_output(path)]
        left_out = [each for each in left_out if not is_output(each.path)]
    if not images:
        there = f", but {kinds(left_out)}" if left_out else ""
        expected = f"expected an image or a folder of images ({', '.join(FORMATS)})"
        raise UsageError(f"{shown(source)} holds no image{there}: {expected}")
    return Listing(images, left_out)


def kinds(left_out: Sequence[LeftOut]) -> str:
    """The most frequent kinds of the files that are left out, with their numbers."""
    names = (
        "linked folder" if os.path.isdir(each.path) else shown(each.path.suffix.lower()) or "without suffix"
        for each in left_out
    )
    counts = Counter(names).most_common()
    listed = [f"{count:,} {name}" for name, count in counts[:NAMED]]
    return ", ".join([*listed, *["..."] * (len(counts) > NAMED)])
