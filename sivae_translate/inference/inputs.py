"""The images that a command is given, a file or a folder tree, with an account of what is left out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from sivae_translate.data.images import FORMATS
from sivae_translate.data.listing import LeftOut, Listing, each_file, kinds, list_folder
from sivae_translate.errors import UsageError, first_few, shown


def list_inputs(source: Path) -> Listing:
    """The images of a folder tree, or a single file, as in `list_folder`.

    Raises:
        UsageError: no such file or folder, or no image.
    """
    listing = list_folder(source)
    if not listing.images:
        raise no_image([source], listing.left_out)
    return listing


class Inputs:
    """Files and folders to translate, each file with its place, which is the path of its output before the suffix.

    The place of a file is its name. The place of a file in a folder is its path below the folder, and of several
    inputs begins with the folder's name.

    Attributes:
        sources: as they were given.
        outside: resolved folders of outputs, whose files are no inputs.
    """

    def __init__(self, sources: Sequence[Path], outside: Iterable[Path]) -> None:
        """Raises UsageError for no source, or for two with the same name."""
        if not sources:
            raise UsageError("no input given: expected an image or a folder of images")
        self.sources = list(dict.fromkeys(sources))
        self.outside = {folder.resolve() for folder in outside}
        self.at = dict[Path, Path]()  # sources by their places
        for source in self.sources:
            alone = len(self.sources) == 1 and source.is_dir()
            place = Path() if alone else Path(Path(os.path.abspath(source)).name)
            other = self.at.setdefault(place, source)
            if other != source:
                raise UsageError(
                    f"{shown(other)} and {shown(source)} have one name, and so would their translations: "
                    "translate them one after the other, each with its own --out"
                )

    def bases(self) -> list[Path]:
        """The folders that hold the inputs."""
        return [base_of(source) for source in self.sources]

    def path(self, place: Path) -> Path:
        """The file of a place."""
        if Path() in self.at:
            return self.at[Path()] / place
        return self.at[Path(place.parts[0])].joinpath(*place.parts[1:])

    def __iter__(self) -> Iterator[tuple[Path, Path | LeftOut]]:
        """Place and file of each file of `each_file`, but for those below `outside`."""
        for place, source in self.at.items():
            base = base_of(source)
            real = base.resolve()
            for each in each_file(source):
                path = each.path if isinstance(each, LeftOut) else each
                below = path.relative_to(base)
                if not self._is_output(path, real / below):
                    yield (place / below if source.is_dir() else place), each

    def _is_output(self, path: Path, real: Path) -> bool:
        if path.is_symlink() and path.resolve() in self.outside:
            return True
        return not self.outside.isdisjoint(real.parents)


def base_of(source: Path) -> Path:
    """The folder that holds an input: itself, or that of a file."""
    return source if source.is_dir() else source.parent


def no_image(sources: Sequence[Path], left_out: Iterable[LeftOut]) -> UsageError:
    """The error of folders that hold no image, with the kinds of files that they hold."""
    found = kinds(left_out)
    there = f", but {found}" if found else ""
    expected = f"expected an image or a folder of images ({', '.join(FORMATS)})"
    names = first_few([shown(source) for source in sources])
    return UsageError(f"{names} hold{'s' if len(sources) == 1 else ''} no image{there}: {expected}")
