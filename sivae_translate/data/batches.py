"""An endless, resumable, domain-balanced stream of batches from domains of images.

The t-th batch is a pure function of (seed, t, rank): a resumed run starts the stream at t.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sivae_translate.data.augment import Augment
from sivae_translate.data.domains import Domains, Source
from sivae_translate.data.images import Frame
from sivae_translate.data.listing import LeftOut
from sivae_translate.data.pseudo_domains import cluster_by_colour
from sivae_translate.data.reader import read_images, read_in_frame
from sivae_translate.progress import Progress
from sivae_translate.types import Batch

MEMORY = 4 * 2**30  # bytes; the images of a larger set are decoded again for every batch

Key = tuple[int, int]  # row of an image, seed of its augmentation


class Images(Dataset[tuple[np.ndarray, int]]):
    """Every readable image of the domains in one frame. The constructor decodes all files to find the unreadable ones.

    Args:
        domains: the images and their labels.
        frame: the square that every image is put into.
        augment: uint8 `[size, size, 3]` and a seed -> the same shape.
        progress: called after each decoded image.

    Raises:
        UsageError: no image can be read (from `Domains.without`).
    """

    def __init__(self, domains: Domains, frame: Frame, augment: Augment, progress: Progress | None = None) -> None:
        self.frame, self.augment = frame, augment
        self.in_memory = len(domains.sources) * frame.size**2 * 3 <= MEMORY
        pixels: dict[Source, np.ndarray] = {}
        bad: list[LeftOut] = []
        images = read_images(domains.sources, frame, progress=progress)
        for source, image in zip(domains.sources, images, strict=True):
            if isinstance(image, LeftOut):
                bad.append(image)
            elif self.in_memory:
                pixels[source] = image
        self.domains = domains.without(bad)
        self.pixels = np.stack([pixels[source] for source in self.domains.sources]) if self.in_memory else None

    def assign_pseudo_domains(self, seed: int) -> None:
        """Label the images of a folder without sub-folders by clustering their colours; see `cluster_by_colour`."""
        rows = range(len(self))
        self.domains = cluster_by_colour(self.domains, (self._pixels(row) for row in rows), seed)

    def __len__(self) -> int:
        return len(self.domains.sources)

    def unaugmented(self, row: int) -> tuple[np.ndarray, int]:
        """An image uint8 `[size, size, 3]` as it is in the frame, and the label of its domain."""
        return self._pixels(row), self.domains.labels[row]

    def __getitem__(self, key: Key) -> tuple[np.ndarray, int]:
        index, seed = key
        return self.augment(self._pixels(index), seed), self.domains.labels[index]

    def _pixels(self, index: int) -> np.ndarray:
        if self.pixels is None:
            return read_in_frame(self.domains.sources[index], self.frame)
        pixels: np.ndarray = self.pixels[index]
        return pixels


class PairSampler:
    """Endless batches of pairs. A pair is two images of one domain; domains are balanced whatever their sizes.

    Within a batch no domain is drawn a second time before all have been drawn once. A domain of a single image pairs
    that image with itself.

    Args:
        labels: the domain of each image.
        batch: images per batch, even.
        seed: of all random numbers.
        rank: index of the process. Batches of different ranks differ.
        start: index t of the first batch.
    """

    def __init__(self, labels: Sequence[int], *, batch: int, seed: int, rank: int = 0, start: int = 0) -> None:
        self.batch, self.seed, self.rank, self.start = batch, seed, rank, start
        order = np.argsort(np.asarray(labels), kind="stable")
        counts = np.bincount(np.asarray(labels))
        self.members = np.split(order, np.cumsum(counts)[:-1])

    def __iter__(self) -> Iterator[list[Key]]:
        t = self.start
        while True:
            yield self.keys(t)
            t += 1

    def keys(self, t: int) -> list[Key]:
        """Keys of the t-th batch of this rank; rows 2i and 2i + 1 are a pair."""
        random = np.random.default_rng((self.seed, self.rank, t))
        pairs = self.batch // 2
        permutations = -(-pairs // len(self.members))
        domains = np.concatenate([random.permutation(len(self.members)) for _ in range(permutations)])[:pairs]
        keys: list[Key] = []
        for domain in domains:
            members = self.members[domain]
            if len(members) > 1:
                pair = random.choice(members, 2, replace=False)
            else:
                pair = np.repeat(random.choice(members), 2)
            keys += [(int(image), int(random.integers(2**31))) for image in pair]
        return keys


def collate(rows: list[tuple[np.ndarray, int]]) -> tuple[Tensor, Tensor]:
    """Images `[H, W, 3]` and their labels -> uint8 images `[B, 3, H, W]` and int64 labels `[B]`."""
    images = torch.from_numpy(np.stack([image for image, _ in rows])).permute(0, 3, 1, 2)
    return images, torch.tensor([label for _, label in rows])


def batches(images: Images, sampler: PairSampler, *, workers: int | None, device: torch.device) -> Iterator[Batch]:
    """The stream of batches on a device: images `[B, 3, size, size]`, float32 in [0, 1], channels last.

    Args:
        images: the data set.
        sampler: draws the images of each batch.
        workers: processes that read and augment. None: 0 where the images are in memory, else one per core, at most 8.
        device: where the batches go.
    """
    if workers is None:
        workers = 0 if images.in_memory else min(8, os.cpu_count() or 1)
    loader: DataLoader[Any] = DataLoader(
        images,
        batch_sampler=sampler,  # type: ignore[arg-type]
        collate_fn=collate,
        num_workers=workers,
        pin_memory=device.type == "cuda",
        persistent_workers=workers > 0,
    )
    for pixels, labels in loader:
        x = pixels.to(device, non_blocking=True).float().div_(255)
        yield Batch(x.contiguous(memory_format=torch.channels_last), labels.to(device, non_blocking=True))
