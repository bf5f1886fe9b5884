"""Real images of several domains, and their translations where no truth is known.

A domain pair (a, b) takes the real images of domain a to the mean style of domain b.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sivae_translate.data.domains import Domains, find_domains
from sivae_translate.data.listing import LeftOut, evenly_spread
from sivae_translate.errors import UsageError, shown
from sivae_translate.evaluation.content_labels import find_labels
from sivae_translate.evaluation.edges import edge_agreement
from sivae_translate.evaluation.extractors import Extractor
from sivae_translate.evaluation.set_distances import MINIMUM
from sivae_translate.evaluation.sets import DomainPair, EncodedDomains, StyleVariations, name_of
from sivae_translate.evaluation.translation import Translation, to_uint8
from sivae_translate.inference.files import read
from sivae_translate.inference.translator import Translator
from sivae_translate.pictures import sheet
from sivae_translate.progress import Progress
from sivae_translate.types import Gaussian, Posterior

DOMAIN_PAIRS = 12  # at most
SHOWN, COLUMNS = 4, 6  # in the picture: domain pairs, and images of each
CONTENTS, TARGETS, STYLES = 10, 4, 10  # for diversity: content images, target domains, styles of each

Names = tuple[str, str]
"""Source and target of a domain pair."""


def choose_images(folder: Path, count: int, content_label: re.Pattern[str] | None, out: Path) -> Domains:
    """At most `count` images of a folder of domains, evenly spread.

    Raises:
        UsageError: no such folder, fewer than two domains in it, a count below 1, a pattern that matches no file's
            name, or `out` is among the images.
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
    chosen = replace(
        found, sources=tuple(found.sources[row] for row in rows), labels=tuple(found.labels[row] for row in rows)
    )
    find_labels([name_of(source) for source in chosen.sources], content_label)
    return chosen


def encode_domains(
    translator: Translator,
    domains: Domains,
    extractor: Extractor,
    bad: list[LeftOut],
    *,
    batch: int = 64,
    progress: Progress | None = None,
) -> EncodedDomains:
    """Codes and features of real images, `batch` at a time; unreadable files are appended to `bad`.

    Raises:
        UsageError: no image can be read.
    """
    bad += [each for each in domains.left_out if each.lost]
    kept, posteriors, features = list[int](), list[Posterior](), list[Tensor]()
    for rows, x in read(translator, domains.sources, bad, batch, progress):
        kept += rows
        with torch.no_grad():
            posteriors.append(translator.model.encode(x).map(lambda t: t.float().cpu()))
        features.append(extractor(translator.to_pictures(x), translator.device))
    present = sorted({domains.labels[row] for row in kept})
    return EncodedDomains(
        tuple(domains.names[label] for label in present),
        tuple(domains.sources[row] for row in kept),
        np.array([present.index(domains.labels[row]) for row in kept]),
        Gaussian.cat([posterior.content for posterior in posteriors]),
        Gaussian.cat([posterior.style for posterior in posteriors if posterior.style is not None]),
        torch.cat(features),
    )


def choose_domain_pairs(real: EncodedDomains, known: tuple[str, ...]) -> tuple[list[Names], int]:
    """At most `DOMAIN_PAIRS` ordered pairs of domains of the model, evenly spread, and the number of all pairs.

    Domains with images enough for KID are preferred where they are at least two and at least half of all.
    """
    counts = real.counts()
    domains = [name for name in real.names if name in known]
    large = [name for name in domains if counts[name] >= MINIMUM]
    domains = large if len(large) >= max(2, len(domains) / 2) else domains
    every = [(a, b) for a in domains for b in domains if a != b]
    return evenly_spread(every, DOMAIN_PAIRS), len(every)


def translate_domain_pairs(
    translation: Translation,
    real: EncodedDomains,
    chosen: list[Names],
    extractor: Extractor,
    progress: Progress | None = None,
) -> Iterator[DomainPair]:
    """The features and edges of each domain pair's translations."""
    translator = translation.translator
    done, total = 0, sum(len(real.rows(source)) for source, _ in chosen)
    for source, target in chosen:
        style, every = translator.style_of(to=target), real.rows(source)
        features, edges, unrelated = list[Tensor](), list[np.ndarray](), list[np.ndarray]()
        parts = min(math.ceil(len(every) / translation.batch), len(every) // 2)  # of two rows or more
        for rows in np.array_split(every, max(1, parts)):
            inputs = channels_last(to_uint8(read_rows(translator, real, rows)))
            images = translation.restyle(real.content.mean[rows], style)
            features.append(extractor(as_pictures(images), translator.device))
            edges.append(edge_agreement(channels_last(images), inputs))
            unrelated.append(edge_agreement(channels_last(images), np.roll(inputs, 1, axis=0)))
            done += len(rows)
            if progress:
                progress(done, total)
        yield DomainPair(source, target, torch.cat(features), np.concatenate(edges), np.concatenate(unrelated))


def vary_styles(
    translation: Translation, real: EncodedDomains, seed: int, progress: Progress | None = None
) -> Iterator[StyleVariations]:
    """Translations of `CONTENTS` images of other domains under `STYLES` styles each, for up to `TARGETS` domains."""
    translator, known = translation.translator, [name for name in real.names if name in translation.translator.domains]
    targets = evenly_spread(known, TARGETS) if len(real.names) > 1 else []
    for done, target in enumerate(targets, start=1):
        others = np.flatnonzero(real.labels != real.names.index(target))
        contents = spread(others, CONTENTS)
        styles = translator.random_styles(target, STYLES * len(contents), seed=seed)
        translations = tuple(
            translation.restyle(real.content.mean[[row]].expand(STYLES, -1, -1, -1), drawn)
            for row, drawn in zip(contents, styles.view(-1, STYLES, styles.shape[1]), strict=True)
        )
        images = read_rows(translator, real, spread(real.rows(target), STYLES))
        yield StyleVariations(target, translations, to_uint8(images))
        if progress:
            progress(done, len(targets))


def draw_domain_pairs(translation: Translation, real: EncodedDomains, chosen: Sequence[Names]) -> Image.Image:
    """Two rows for each domain pair: real images, and their translations beneath."""
    translator, grid = translation.translator, list[np.ndarray]()
    for source, target in chosen:
        rows = np.resize(spread(real.rows(source), COLUMNS), COLUMNS)  # a domain of fewer images repeats them
        before = to_uint8(read_rows(translator, real, rows))
        after = translation.restyle(real.content.mean[rows], translator.style_of(to=target))
        grid += [np.concatenate([np.asarray(each) for each in as_pictures(line)], axis=1) for line in (before, after)]
    return sheet([grid])


def to_show(pairs: Sequence[DomainPair]) -> list[Names]:
    """At most `SHOWN` domain pairs, each with another target."""
    return list({pair.target: (pair.source, pair.target) for pair in pairs}.values())[:SHOWN]


def read_rows(translator: Translator, real: EncodedDomains, rows: np.ndarray) -> Tensor:
    """Some of the real images, `[B, 3, H, W]`, read once more from their files."""
    sources = [real.sources[row] for row in rows]
    return torch.cat([x for _, x in read(translator, sources, [])])


def spread(rows: np.ndarray, count: int) -> np.ndarray:
    """At most `count` rows, evenly spread."""
    return np.array(evenly_spread(rows.tolist(), count), dtype=np.int64)


def as_pictures(images: Tensor) -> list[Image.Image]:
    """uint8 `[B, 3, H, W]` -> PIL images."""
    return [Image.fromarray(image) for image in channels_last(images)]


def channels_last(images: Tensor) -> np.ndarray:
    """uint8 `[B, 3, H, W]` -> uint8 `[B, H, W, 3]`."""
    return images.permute(0, 2, 3, 1).numpy()
