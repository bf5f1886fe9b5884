"""From domains to an endless, resumable, domain-balanced stream of batches.

What the t-th batch holds is a pure function of (seed, t, rank): resuming is starting at t.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sivae_translate.data.augment import Augment
from sivae_translate.data.domains import Bad, Domains, Source, read_source
from sivae_translate.data.images import Colour, UnreadableImage, fit
from sivae_translate.data.pseudo_domains import by_colours
from sivae_translate.types import Batch

MEMORY = 4 * 2**30  # bytes of decoded images that are held in memory rather than decoded again for every batch

Key = tuple[int, int]  # which image, and the seed of its augmentation


class Images(Dataset[tuple[np.ndarray, int]]):
    """Every readable image of the domains at one size, decoded once to find the unreadable ones.

    Args:
        domains: what to read.
        size, how, background: the frame, see `fit`.
        augment: uint8 `[size, size, 3]` and a seed -> the same shape.
        progress: called with (done, total) while decoding.

    Raises:
        UsageError: no image can be read (from `Domains.without`).
    """

    def __init__(
        self,
        domains: Domains,
        size: int,
        how: str,
        background: Colour,
        augment: Augment,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.size, self.how, self.background, self.augment = size, how, background, augment
        self.in_memory = len(domains.sources) * size * size * 3 <= MEMORY
        self.domains = domains
        pixels, bad = self._decode_all(progress)
        self.domains = domains.without(bad)
        self.pixels = np.stack([pixels[source] for source in self.domains.sources]) if self.in_memory else None

    def _decode_all(self, progress: Callable[[int, int], None] | None) -> tuple[dict[Source, np.ndarray], list[Bad]]:
        sources, bad = self.domains.sources, []
        pixels: dict[Source, np.ndarray] = {}

        def decode(index: int) -> np.ndarray | Bad:
            try:
                return self._decode(index)
            except UnreadableImage as error:
                return Bad(sources[index].path, str(error))

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for done, result in enumerate(pool.map(decode, range(len(sources)))):
                if isinstance(result, Bad):
                    bad.append(result)
                elif self.in_memory:
                    pixels[sources[done]] = result
                if progress:
                    progress(done + 1, len(sources))
        return pixels, bad

    def _decode(self, index: int) -> np.ndarray:
        image = read_source(self.domains.sources[index], background=self.background, min_side=self.size)
        return fit(image, self.size, self.how, self.background)

    def group(self, seed: int) -> None:
        """Sort the images of a folder without sub-folders into pseudo-domains; see `grouping`."""
        rows = range(len(self))
        self.domains = by_colours(self.domains, (self._pixels(row) for row in rows), seed)

    def __len__(self) -> int:
        return len(self.domains.sources)

    def __getitem__(self, key: Key) -> tuple[np.ndarray, int]:
        index, seed = key
        return self.augment(self._pixels(index), seed), self.domains.labels[index]

    def _pixels(self, index: int) -> np.ndarray:
        pixels: np.ndarray = self._decode(index) if self.pixels is None else self.pixels[index]
        return pixels


class PairSampler:
    """Endless batches of pairs: two images of one domain, domains balanced whatever their sizes.

    In each batch no domain comes a second time before all have come once, up to the batch's size. A domain of one image
    pairs it with itself.

    Args:
        labels: the domain of each image.
        batch: images in a batch, even.
        start: the index t of the first batch.
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
        """The t-th batch of this rank: `batch` (image, augmentation seed), rows 2i and 2i + 1 a pair."""
        random = np.random.default_rng((self.seed, self.rank, t))
        pairs = self.batch // 2
        rounds = -(-pairs // len(self.members))
        domains = np.concatenate([random.permutation(len(self.members)) for _ in range(rounds)])[:pairs]
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
    """uint8 images `[B, 3, H, W]` and labels int64 `[B]`."""
    images = torch.from_numpy(np.stack([image for image, _ in rows])).permute(0, 3, 1, 2)
    return images, torch.tensor([label for _, label in rows])


def batches(images: Images, sampler: PairSampler, *, workers: int | None, device: torch.device) -> Iterator[Batch]:
    """The stream, on `device`, float32 in [0, 1]. `workers` None: none where images lie in memory, else one a core."""
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
