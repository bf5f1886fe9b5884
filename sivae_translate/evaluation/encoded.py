"""Real images of several domains, as the model and an extractor see them: codes and features are kept, images not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sivae_translate.data.domains import Bad, Domains, Source, evenly_spread, find_domains, shown
from sivae_translate.data.images import UnreadableImage
from sivae_translate.data.reader import read_source
from sivae_translate.errors import UsageError
from sivae_translate.evaluation.extractors import Extractor
from sivae_translate.inference.translator import Translator
from sivae_translate.types import Gaussian, Latents

FEWEST = 5  # images of a domain, of which one is tested on


@dataclass(frozen=True)
class Encoded:
    """Images of D domains; n rows, on the CPU.

    Attributes:
        names: of the domains.
        sources: where each image is from.
        labels: the domain of each, an index into `names`, int64 `[n]`.
        content: q(c | x), `[n, K, g, g]`.
        style: q(s | x), `[n, S]`.
        features: float64 `[n, F]`.
    """

    names: tuple[str, ...]
    sources: tuple[Source, ...]
    labels: np.ndarray
    content: Gaussian
    style: Gaussian
    features: Tensor

    def rows(self, domain: int) -> np.ndarray:
        """The images of a domain, int64."""
        return np.flatnonzero(self.labels == domain)

    def counts(self) -> dict[str, int]:
        return dict(zip(self.names, np.bincount(self.labels, minlength=len(self.names)).tolist(), strict=True))

    def file_names(self) -> list[str]:
        return [name_of(source) for source in self.sources]

    def several(self) -> Encoded:
        """The domains of `FEWEST` images or more, which may be none."""
        kept = [domain for domain in range(len(self.names)) if (self.labels == domain).sum() >= FEWEST]
        place = {domain: i for i, domain in enumerate(kept)}
        rows = np.flatnonzero(np.isin(self.labels, kept))
        return replace(
            self,
            names=tuple(self.names[domain] for domain in kept),
            sources=tuple(self.sources[row] for row in rows),
            labels=np.array([place[label] for label in self.labels[rows]], dtype=np.int64),
            content=self.content.map(lambda t: t[rows]),
            style=self.style.map(lambda t: t[rows]),
            features=self.features[rows],
        )


def choose_sources(folder: Path, count: int, out: Path) -> Domains:
    """At most `count` images of a folder of domains, evenly spread.

    Raises:
        UsageError: no such folder, fewer than two domains in it, a count below 1, or `out` is among the images.
    """
    if count < 1:
        raise UsageError(f"count was {count}: expected 1 or more")
    found = find_domains(folder)
    if len(found.names) < 2:
        expected = f"expected a sub-folder of images for each of two or more, as in {shown(folder / 'red' / '1.png')}"
        raise UsageError(f"{shown(folder)} holds a single domain: {expected}")
    if folder.resolve() in (out.resolve(), *out.resolve().parents):
        raise UsageError(f"{out} is among the images of {shown(folder)}: choose another with --out")
    rows = evenly_spread(range(len(found.sources)), count)
    return replace(
        found, sources=tuple(found.sources[row] for row in rows), labels=tuple(found.labels[row] for row in rows)
    )


def encode_domains(
    translator: Translator,
    domains: Domains,
    extractor: Extractor,
    bad: list[Bad],
    *,
    batch: int = 64,
    progress: Callable[[int, int], None] | None = None,
) -> Encoded:
    """Codes and features of images, `batch` at a time; unreadable ones go to `bad`.

    Raises:
        UsageError: none can be read.
    """
    bad += domains.bad
    kept, posteriors, features = list[int](), list[Latents](), list[Tensor]()
    for rows, x in read(translator, domains.sources, bad, batch, progress):
        kept += rows
        with torch.no_grad():
            posteriors.append(translator.model.encode(x).map(lambda t: t.float().cpu()))
        features.append(extractor(translator.to_pictures(x), translator.device))
    if not kept:
        raise UsageError(f"no image can be read, such as {shown(bad[-1].path)}: {bad[-1].reason}")
    present = sorted({domains.labels[row] for row in kept})
    return Encoded(
        tuple(domains.names[label] for label in present),
        tuple(domains.sources[row] for row in kept),
        np.array([present.index(domains.labels[row]) for row in kept]),
        Gaussian.cat([posterior.content for posterior in posteriors]),
        Gaussian.cat([posterior.style for posterior in posteriors if posterior.style is not None]),
        torch.cat(features),
    )


def read(
    translator: Translator,
    sources: tuple[Source, ...],
    bad: list[Bad],
    batch: int,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[list[int], Tensor]]:
    """Rows of `sources` and their images `[B, 3, H, W]` in the translator's frame, a batch at a time."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(sources), batch):
            chosen = sources[start : start + batch]
            pixels = dict(enumerate(pool.map(partial(pixels_of, translator), chosen), start))
            bad += [Bad(sources[row].path, each) for row, each in pixels.items() if isinstance(each, str)]
            readable = {row: each for row, each in pixels.items() if not isinstance(each, str)}
            if readable:
                yield list(readable), translator.prepare(list(readable.values()))
            if progress:
                progress(start + len(chosen), len(sources))


def pixels_of(translator: Translator, source: Source) -> np.ndarray | str:
    """An image as its file has it, uint8 `[H, W, 3]`, or why there is none."""
    frame = translator.frame
    try:
        return read_source(source, background=frame.background, min_side=frame.size)
    except UnreadableImage as error:
        return str(error)


def name_of(source: Source) -> str:
    """What tells an image from others of its domain: the file's name without its ending, or the view in it."""
    return source.path.stem if source.view is None else f"view{source.view:02d}"
