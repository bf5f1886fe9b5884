"""The images that a command is given, a file or a folder tree, with an account of what is left out."""

from __future__ import annotations

from pathlib import Path

from sivae_translate.data.images import FORMATS
from sivae_translate.data.listing import Listing, kinds, list_folder
from sivae_translate.errors import UsageError, shown


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
