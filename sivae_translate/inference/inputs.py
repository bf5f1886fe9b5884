"""The images that a command is given, a file or a folder tree, with an account of what is left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from sivae_translate.data.images import FORMATS
from sivae_translate.data.listing import LeftOut, Listing, each_file, kinds, list_folder
from sivae_translate.errors import UsageError, shown


def list_inputs(source: Path) -> Listing:
    """The images of a folder tree, or a single file, as in `list_folder`.

    Raises:
        UsageError: no such file or folder, or no image.
    """
    listing = list_folder(source)
    if not listing.images:
        raise no_image(source, listing.left_out)
    return listing


def each_input(source: Path, *, outside: Path) -> Iterator[Path | LeftOut]:
    """The files of `each_file`, but for those below `outside`, the folder of the outputs."""
    base = source if source.is_dir() else source.parent
    real, inside = base.resolve(), outside.resolve()

    def is_output(path: Path) -> bool:
        if path.is_symlink() and path.resolve() == inside:
            return True
        return inside in (real / path.relative_to(base)).parents

    for each in each_file(source):
        if not is_output(each.path if isinstance(each, LeftOut) else each):
            yield each


def no_image(source: Path, left_out: Iterable[LeftOut]) -> UsageError:
    """The error of a folder that holds no image, with the kinds of files that it holds."""
    found = kinds(left_out)
    there = f", but {found}" if found else ""
    expected = f"expected an image or a folder of images ({', '.join(FORMATS)})"
    return UsageError(f"{shown(source)} holds no image{there}: {expected}")
