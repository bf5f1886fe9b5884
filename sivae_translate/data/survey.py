"""A first look at a data set: one look at each file's size and times, and none into the files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from sivae_translate.data.domains import Domains, Source
from sivae_translate.data.listing import LeftOut
from sivae_translate.data.reader import read_each
from sivae_translate.progress import Progress

# A small set is decoded before training, in a minute or two on two cores. The limits depend on nothing but the set, as
# a resumed run must take the same way; CIFAR-10, MNIST, SVHN and Cars3D are small.
MOST_IMAGES, MOST_BYTES = 100_000, 4e9


class Survey(NamedTuple):
    """What the file system tells of a data set.

    Attributes:
        size: bytes of all files.
        digests: of each image, SHA-256 of its path below the folder, and of its file's size and modification time.
    """

    size: int
    digests: list[bytes]

    @property
    def small(self) -> bool:
        """Whether decoding the whole set is quick."""
        return len(self.digests) <= MOST_IMAGES and self.size <= MOST_BYTES


def survey(domains: Domains) -> Survey:
    """Look at every file once. A file that has vanished has the size -1."""
    base, size, digests = os.fspath(domains.base), 0, []
    for source in domains.sources:
        path = os.fspath(source.path)
        try:
            status = os.stat(path)
            length, modified = status.st_size, status.st_mtime_ns
        except OSError:
            length = modified = -1
        if not source.view:  # the views of a file share it
            size += max(length, 0)
        about = f"{source.view} {length} {modified} ".encode() + name_below(base, path)
        digests.append(hashlib.sha256(about).digest())
    return Survey(size, digests)


def name_below(folder: str, path: str) -> bytes:
    """The name of a file below a folder that its path begins with; `os.path.relpath` takes ten times as long."""
    return os.fsencode(path.removeprefix("" if folder == os.curdir else folder).lstrip(os.sep))


def unreadable_domains(
    domains: Domains, read: Callable[[Source], Any], progress: Progress | None = None
) -> list[LeftOut]:
    """The files of the domains in which no image can be read. Of other domains, images are read up to a readable one.

    Args:
        domains: the images.
        read: reads one, or raises UnreadableImage.
        progress: called after each domain.
    """
    members: dict[int, list[Source]] = {}
    for source, label in zip(domains.sources, domains.labels, strict=True):
        members.setdefault(label, []).append(source)
    firsts = read_each(read, [sources[0] for sources in members.values()], progress=progress)
    lost: list[LeftOut] = []
    for first, (_, *others) in zip(firsts, members.values(), strict=True):
        if isinstance(first, LeftOut):
            lost += every_reason(first, read_each(read, others))
    return lost


def every_reason(first: LeftOut, others: Iterable[Any]) -> list[LeftOut]:
    """The reasons why all images of a domain cannot be read; none where another one can be."""
    reasons = [first]
    for other in others:
        if not isinstance(other, LeftOut):
            return []
        reasons.append(other)
    return reasons
