"""Images with the same pixels: in two domains, within one, and in a held-out split as well as among training images."""

from __future__ import annotations

from collections.abc import Iterator

from sivae_translate.data.domains import Source
from sivae_translate.errors import shown

Pair = tuple[Source, Source]


class Duplicates:
    """The images that repeat an earlier one, by where both lie. Of each kind the number and the first pair are kept."""

    def __init__(self) -> None:
        self.first: dict[bytes, tuple[str, Source]] = {}
        self.counts: dict[str, int] = {}
        self.pairs: dict[str, Pair] = {}

    def add(self, digest: bytes, domain: str, source: Source) -> None:
        """A training image, with a digest of its pixels."""
        first, earlier = self.first.setdefault(digest, (domain, source))
        if earlier != source:
            kind = "identical images within a domain" if first == domain else "images found in two domains"
            self._count(kind, (earlier, source))

    def add_held_out(self, digest: bytes, split: str, source: Source) -> None:
        """An image of a held-out split, after all training images."""
        if digest in self.first:
            kind = f"images of {shown(split)}/ that are also trained on, so that figures on it are too good"
            self._count(kind, (self.first[digest][1], source))

    def _count(self, kind: str, pair: Pair) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.pairs.setdefault(kind, pair)

    def warnings(self) -> Iterator[str]:
        """A line for each kind, with the number of repeats and the first pair."""
        for kind, count in self.counts.items():
            one, other = self.pairs[kind]
            yield f"{kind}: {count:,}, such as {shown(one.path)} and {shown(other.path)}"
