"""Tables of the package by name, to which installed packages add entries by entry points.

A package names its entries in its pyproject.toml:

    [project.entry-points."sivae_translate.models"]
    unet = "my_package.networks:Unet"

An entry is imported when its name is looked up, and not before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from sivae_translate.errors import SivaeError, one_line

T = TypeVar("T")


class Table(Mapping[str, T]):
    """Entries by their names in recipes: our own, and those of installed packages, which cannot replace ours.

    Looking up a name raises SivaeError where its package cannot be imported, or its entry is of another kind.

    Args:
        group: name of the group of entry points.
        own: our entries.
        fits: whether an object can be an entry.
        expected: what such an object is, for errors.
    """

    def __init__(self, group: str, own: Mapping[str, T], fits: Callable[[object], bool], expected: str) -> None:
        self.group, self.own, self.fits, self.expected = group, own, fits, expected

    @cached_property
    def others(self) -> dict[str, EntryPoint]:
        """Entries of installed packages, not imported."""
        return {point.name: point for point in entry_points(group=self.group) if point.name not in self.own}

    def __getitem__(self, name: str) -> T:
        return self.own[name] if name in self.own else self._imported(self.others[name])

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self.others  # as of Mapping, but nothing is imported

    def __iter__(self) -> Iterator[str]:
        yield from self.own
        yield from sorted(self.others)

    def __len__(self) -> int:
        return len(self.own) + len(self.others)

    def _imported(self, point: EntryPoint) -> T:
        package = point.dist.name if point.dist else "an installed package"
        where = f"{point.name!r} of {package} ({self.group}: {point.value})"
        try:
            found: T = point.load()
        except Exception as error:  # a package may fail in any way
            raise SivaeError(f"{where} cannot be imported ({one_line(error)}): mend or remove {package}") from error
        if not self.fits(found):
            raise SivaeError(f"{where} is no entry of this kind: expected {self.expected}")
        return found
