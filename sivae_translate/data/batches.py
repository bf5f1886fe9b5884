"""An endless, resumable, domain-balanced stream of batches from domains of images.

The t-th batch is a pure function of (seed, t), of which each process has a slice: a resumed run starts the stream at t.
"""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from sivae_translate.data.augment import Augment
from sivae_translate.data.cache import ImageCache
from sivae_translate.data.domains import Domains
from sivae_translate.data.images import Frame, UnreadableImage
from sivae_translate.data.listing import LeftOut
from sivae_translate.data.memory import available_memory
from sivae_translate.data.pseudo_domains import cluster_by_colour
from sivae_translate.data.reader import read_each
from sivae_translate.data.survey import survey, unreadable_domains
from sivae_translate.data.transfer import on_device
from sivae_translate.data.workers import read_batches
from sivae_translate.errors import SivaeError, shown
from sivae_translate.progress import Progress
from sivae_translate.types import Batch

HELD = 0.5  # fraction of the available memory for images; those of a larger set are decoded again for every batch

Key = tuple[int, int]  # row of an image, seed of its augmentation


class UnreadableDomainError(SivaeError):
    """No image of a domain can be read any more."""


class Fingerprint(NamedTuple):
    """The content of a data set: equal for equal images in domains of equal names, whatever their paths and order.

    A set that is not decoded at the start has the fingerprint of its files instead.

    Attributes:
        images: their number.
        sha256: of all names of domains and framed pixels, or of the paths, sizes and modification times of all files.
    """

    images: int
    sha256: str


class Row(NamedTuple):
    """An image of a batch, uint8 `[size, size, 3]`, its label, and images that could not be read in its place."""

    pixels: np.ndarray
    label: int
    lost: tuple[LeftOut, ...]


class Images(Dataset[Row | UnreadableDomainError]):
    """Every readable image of the domains in one frame.

    The constructor decodes all files of a small set (see `Survey.small`) to find the unreadable ones. Images of a large
    set are decoded when they are first drawn: only domains without any readable image are left out at the start. An
    image that cannot be read later is replaced by another one of its domain.

    Decoded images are cached on the disk; see `ImageCache`. Those of a small set are kept in memory where they take at
    most `HELD` of what is available.

    Args:
        domains: the images and their labels.
        frame: the square that every image is put into.
        augment: uint8 `[size, size, 3]` and a seed -> the same shape.
        progress: called after each decoded image.
        processes: number of processes on this machine that each hold the images.
        whole: whether the constructor decodes a large set too.

    Raises:
        UsageError: no image can be read (from `Domains.without`).
    """

    def __init__(
        self,
        domains: Domains,
        frame: Frame,
        augment: Augment,
        progress: Progress | None = None,
        processes: int = 1,
        whole: bool = False,
    ) -> None:
        self.frame, self.augment, self.cache = frame, augment, ImageCache(domains.base, frame)
        self.pixels: np.ndarray | None = None
        first = survey(domains)
        self.decoded = whole or first.small
        if self.decoded:
            self._decode(domains, progress, processes)
        else:
            self._keep(domains, unreadable_domains(domains, self.cache.read, progress), first.digests)
        self.cache.flush()

    def _decode(self, domains: Domains, progress: Progress | None, processes: int) -> None:
        """Decode all images, keep them in memory where they fit, and leave out the unreadable ones."""
        shape = (len(domains.sources), self.frame.size, self.frame.size, 3)
        fits = int(np.prod(shape)) <= HELD * available_memory(processes)
        held = np.empty(shape if fits else (0, *shape[1:]), np.uint8)
        digests: list[bytes] = []
        bad: list[LeftOut] = []
        for row, image in enumerate(read_each(self.cache.read, domains.sources, progress=progress)):
            if isinstance(image, LeftOut):
                bad.append(image)
                digests.append(b"")
                continue
            digests.append(hashlib.sha256(image.tobytes()).digest())
            if fits:
                held[row] = image
        kept = self._keep(domains, bad, digests)
        if fits:
            for new, row in enumerate(kept):
                if new != row:
                    held[new] = held[row]
            self.pixels = held[: len(kept)]

    def _keep(self, domains: Domains, bad: list[LeftOut], digests: list[bytes]) -> Sequence[int]:
        """Leave out unreadable images, and return the rows of the others in `domains`."""
        if not bad:  # saves seconds for a million images
            self.domains, self.digests = domains, digests
            return range(len(digests))
        self.domains = domains.without(bad)
        sources = set(self.domains.sources)
        kept = [row for row, source in enumerate(domains.sources) if source in sources]
        self.digests = [digests[row] for row in kept]
        return kept

    @property
    def in_memory(self) -> bool:
        return self.pixels is not None

    def assign_pseudo_domains(self, seed: int) -> None:
        """Label the images of a folder without sub-folders by clustering their colours; see `cluster_by_colour`."""
        rows = range(len(self))
        self.domains = cluster_by_colour(self.domains, (self._read(row)[0] for row in rows), seed)

    def fingerprint(self) -> Fingerprint:
        """The images and their domains. The name of a folder without sub-folders does not count."""
        alone = not self.domains.labelled and len(self.domains.names) == 1
        names = [b"" if alone else name.encode("utf-8", "surrogateescape") for name in self.domains.names]
        hashes = [hashlib.sha256(name).digest() for name in names]
        rows = zip(self.digests, self.domains.labels, strict=True)
        content = b"".join(sorted(digest + hashes[label] for digest, label in rows))
        return Fingerprint(len(self), hashlib.sha256(content).hexdigest())

    def __len__(self) -> int:
        return len(self.domains.sources)

    def unaugmented(self, row: int) -> tuple[np.ndarray, int]:
        """An image uint8 `[size, size, 3]` as it is in the frame, and the label of its domain.

        Raises:
            UnreadableDomainError: neither this image nor another one of its domain can be read.
        """
        return self._read(row)[0], self.domains.labels[row]

    def __getitem__(self, key: Key) -> Row | UnreadableDomainError:
        """The augmented image. An error is returned, as a DataLoader would bury a raised one in a traceback."""
        row, seed = key
        try:
            pixels, lost = self._read(row)
        except UnreadableDomainError as error:
            return error
        return Row(self.augment(pixels, seed), self.domains.labels[row], tuple(lost))

    def _read(self, row: int) -> tuple[np.ndarray, list[LeftOut]]:
        """The pixels of an image or of the next one of its domain that can be read, and the unreadable ones."""
        if self.pixels is not None:
            return self.pixels[row], []
        lost: list[LeftOut] = []
        for each in self._domain_from(row):
            source = self.domains.sources[each]
            try:
                return self.cache.read(source), lost
            except UnreadableImage as error:
                lost.append(LeftOut(source.path, str(error)))
        name = shown(self.domains.names[self.domains.labels[row]])
        worst = f"{shown(lost[0].path)}: {lost[0].reason}"
        raise UnreadableDomainError(
            f"no image of domain {name} can be read any more (such as {worst}): bring its files back and run the same "
            "command again"
        )

    def _domain_from(self, row: int) -> Iterator[int]:
        """This row, and then the other rows of its domain, those after it first."""
        yield row
        labels, count = self.domains.labels, len(self)
        yield from (each % count for each in range(row + 1, row + count) if labels[each % count] == labels[row])


class PairSampler:
    """Endless batches of pairs. A pair is two images of one domain; domains are balanced whatever their sizes.

    Within a batch no domain is drawn a second time before all have been drawn once. A domain of a single image pairs
    that image with itself.

    Processes share a batch: process r of n has the pairs r, r + n, r + 2n and so on. See `sampling.SliceGenerator`.

    Args:
        labels: the domain of each image.
        batch: images per batch of all processes together, whole pairs for each process.
        seed: of all random numbers.
        rank: index of the process.
        processes: number of processes that train together.
        start: index t of the first batch.
    """

    def __init__(
        self, labels: Sequence[int], *, batch: int, seed: int, rank: int = 0, processes: int = 1, start: int = 0
    ) -> None:
        self.batch, self.seed, self.start = batch, seed, start
        self.rank, self.processes = rank, processes
        order = np.argsort(np.asarray(labels), kind="stable")
        counts = np.bincount(np.asarray(labels))
        self.members = np.split(order, np.cumsum(counts)[:-1])

    def __iter__(self) -> Iterator[list[Key]]:
        t = self.start
        while True:
            yield self.keys(t)
            t += 1

    def at(self, t: int) -> PairSampler:
        """The same stream, from the t-th batch on."""
        other = copy.copy(self)
        other.start = t
        return other

    def keys(self, t: int) -> list[Key]:
        """Keys of this process's rows of the t-th batch; rows 2i and 2i + 1 are a pair."""
        random = np.random.default_rng((self.seed, 0, t))  # 0 in every process, which draws the whole batch
        pairs = self.batch // 2
        permutations = -(-pairs // len(self.members))
        domains = np.concatenate([random.permutation(len(self.members)) for _ in range(permutations)])[:pairs]
        drawn: list[list[Key]] = []
        for domain in domains:
            members = self.members[domain]
            if len(members) > 1:
                pair = random.choice(members, 2, replace=False)
            else:
                pair = np.repeat(random.choice(members), 2)
            drawn.append([(int(image), int(random.integers(2**31))) for image in pair])
        return [key for keys in drawn[self.rank :: self.processes] for key in keys]


def collate(rows: list[tuple[np.ndarray, int]]) -> tuple[Tensor, Tensor]:
    """Images `[H, W, 3]` and their labels -> uint8 images `[B, 3, H, W]` and int64 labels `[B]`."""
    images = torch.from_numpy(np.stack([image for image, _ in rows])).permute(0, 3, 1, 2)
    return images, torch.tensor([label for _, label in rows])


class Collated(NamedTuple):
    """Images uint8 `[B, 3, H, W]`, their labels int64 `[B]`, and files that could not be read."""

    images: Tensor
    labels: Tensor
    lost: list[LeftOut]


def collate_rows(rows: list[Row | UnreadableDomainError]) -> Collated | UnreadableDomainError:
    """The rows of a batch as tensors, or the error in place of a row."""
    whole = []
    for row in rows:
        if isinstance(row, UnreadableDomainError):
            return row
        whole.append(row)
    return Collated(*collate([row[:2] for row in whole]), [bad for row in whole for bad in row.lost])


def batches(
    images: Images,
    sampler: PairSampler,
    *,
    workers: int | None,
    device: torch.device,
    note: Callable[[str], None] = lambda text: None,
) -> Generator[Batch]:
    """The stream of batches on a device: images `[B, 3, size, size]`, float32 in [0, 1], channels last.

    Args:
        images: the data set.
        sampler: draws the images of each batch.
        workers: processes that read and augment. None: 0 where the images are in memory, else one per core, at most 8.
        device: where the batches go.
        note: called once with a line on each image that cannot be read, and on each process that failed.

    Raises:
        UnreadableDomainError: no image of a domain can be read any more.
    """
    if workers is None:
        workers = 0 if images.in_memory else min(8, os.cpu_count() or 1)
    options = {"collate": collate_rows, "pin_memory": device.type == "cuda", "note": note}
    with closing(read_batches(images, sampler, workers, **options)) as read:  # type: ignore[arg-type]
        yield from on_device(whole_batches(read, "can no longer" if images.decoded else "cannot", note), device)


def whole_batches(
    read: Iterator[Collated | UnreadableDomainError], cannot: str, note: Callable[[str], None]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Images and labels of the batches read; see `batches` for the notes and the error."""
    named: set[Path] = set()
    for rows in read:
        if isinstance(rows, UnreadableDomainError):
            raise rows
        for bad in rows.lost:
            if bad.path not in named:
                note(f"{shown(bad.path)} {cannot} be read ({bad.reason}): others of its domain take its place")
                named.add(bad.path)
        yield rows.images, rows.labels
