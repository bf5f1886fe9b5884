"""Translations from domain to domain, without known truth: are they like the target's images, and as varied?

A direction takes real images of one domain to the mean style of another. B images, S style, H W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sivae_translate.evaluation.encoded import Encoded, pixels_of
from sivae_translate.evaluation.extractors import Extractor, centred
from sivae_translate.evaluation.fidelity import MEASURES, MINIMUM, distance, floor
from sivae_translate.evaluation.perceptual import Perceptual
from sivae_translate.evaluation.probes import Classifier
from sivae_translate.inference.translator import Translator
from sivae_translate.pictures import sheet

DIRECTIONS = 12  # at most
SHOWN = 4  # directions in the picture,
COLUMNS = 6  # images of each
CONTENTS, TARGETS, STYLES = 10, 4, 10  # of diversity: images, domains, and styles of each

Direction = tuple[int, int]
Progress = Callable[[int, int], None]


def choose(real: Encoded, known: tuple[str, ...]) -> tuple[list[Direction], int]:
    """At most `DIRECTIONS` ordered pairs of domains that the model knows, evenly spread, and how many there are.

    Where half of the domains or more have images enough for KID, and two at least, it is these that are taken.
    """
    domains = [domain for domain, name in enumerate(real.names) if name in known]
    large = [domain for domain in domains if len(real.rows(domain)) >= MINIMUM]
    domains = large if len(large) >= max(2, len(domains) / 2) else domains
    every = [(a, b) for a in domains for b in domains if a != b]
    count = min(DIRECTIONS, len(every))
    return [every[i * len(every) // count] for i in range(count)], len(every)


def directions(
    translator: Translator,
    real: Encoded,
    chosen: list[Direction],
    extractor: Extractor,
    classifier: Classifier,
    *,
    seed: int,
    batch: int,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Each direction's translations against the target's real images, and the means.

    Returns:
        For each: the domains; n, and n_real of the target; the share that the classifier calls the target, beside the
        share of the untranslated images that it does; and, of `MINIMUM` images or more on both sides, their distance,
        with the floors copy (the untranslated images) and halves (of the target's real images). All distances have one
        unit, that of all real images.
    """
    total, done, each = sum(len(real.rows(a)) for a, _ in chosen), 0, list[dict[str, Any]]()
    for a, b in chosen:
        parts = []
        for start, pictures in translate(translator, real, a, b, batch):
            parts.append(extractor(pictures, translator.device))
            if progress:
                progress(done + start + len(pictures), total)
        sources, targets, made = real.features[real.rows(a)], real.features[real.rows(b)], torch.cat(parts)
        done += len(made)
        names = [real.names[b]] * len(made)
        row: dict[str, Any] = {"from": real.names[a], "to": real.names[b], "n": len(made), "n_real": len(targets)}
        row["called_target"] = round(classifier.share(made.numpy(), names), 4)
        row["called_target_untranslated"] = round(classifier.share(sources.numpy(), names), 4)
        if min(len(sources), len(targets)) >= MINIMUM:
            sources, targets, made = (compared(f, real.features, extractor) for f in (sources, targets, made))
            row |= distance(made, targets, extractor.name, seed)
            row["copy"] = distance(sources, targets, extractor.name, seed)
            row["halves"] = floor(targets, extractor.name, seed)
        each.append(row)
    return {
        "extractor": extractor.name, "classifier": extractor.read_as, "seed": seed,
        "each": each, "mean": means(each, extractor.name),
    }  # fmt: skip


def means(each: list[dict[str, Any]], extractor: str) -> dict[str, Any]:
    """Over directions: shares over all, distances and their floors over those that have them."""
    found: dict[str, Any] = {"directions": len(each), "n": sum(row["n"] for row in each)}
    for share in ("called_target", "called_target_untranslated"):
        found[share] = round(float(np.mean([row[share] for row in each])), 4)
    measured = [row for row in each if "copy" in row]
    if measured:
        found["directions_measured"] = len(measured)
        for measure in MEASURES[extractor]:
            found[measure] = round(float(np.mean([row[measure] for row in measured])), 6)
            for name in ("copy", "halves"):
                mean = float(np.mean([row[name][measure] for row in measured]))
                found.setdefault(name, {})[measure] = round(mean, 6)
    return found


def diversity(
    translator: Translator, real: Encoded, perceptual: Perceptual, *, seed: int, progress: Progress | None = None
) -> dict[str, Any] | None:
    """How far apart translations of one image are, under styles drawn from the prior of one domain.

    As in StarGAN v2 (Choi et al. 2020, arXiv:1912.01865): the mean distance over pairs of `STYLES` translations, over
    images of other domains and over target domains; higher is more diverse.

    Returns:
        The means over the targets and each target's, with the same of as many real images of the target as a scale;
        None where the model knows no domain of these.
    """
    targets = [domain for domain, name in enumerate(real.names) if name in translator.domains]
    targets = [targets[i * len(targets) // TARGETS] for i in range(TARGETS)] if len(targets) > TARGETS else targets
    each = list[dict[str, Any]]()
    for i, target in enumerate(targets):
        contents, found = spread(np.flatnonzero(real.labels != target), CONTENTS), []
        styles = translator.random_styles(real.names[target], STYLES * len(contents), seed=seed)
        for row, drawn in zip(contents, styles.view(-1, STYLES, styles.shape[1]), strict=True):
            content = real.content.mean[[row]].to(translator.device).expand(STYLES, -1, -1, -1)
            found.append(perceptual.pairwise(eight_bit(translator.restyle(content, drawn))))
        images = read_rows(translator, real, spread(real.rows(target), STYLES))
        scale = round(perceptual.pairwise(eight_bit(images)), 4)
        row = {"to": real.names[target], "n": len(found), "translations": round(float(np.mean(found)), 4)}
        each.append(row | {"real": scale, "n_real": len(images)})
        if progress:
            progress(i + 1, len(targets))
    if not each:
        return None
    return {
        "measure": perceptual.measure, "seed": seed, "styles": STYLES, "n": sum(row["n"] for row in each),
        "translations": round(float(np.mean([row["translations"] for row in each])), 4),
        "real": round(float(np.mean([row["real"] for row in each])), 4), "each": each,
    }  # fmt: skip


def shown(chosen: list[Direction]) -> list[Direction]:
    """At most `SHOWN` of these, each to another domain."""
    return list({target: (source, target) for source, target in chosen}.values())[:SHOWN]


def picture(translator: Translator, real: Encoded, chosen: list[Direction]) -> Image.Image:
    """Two rows for each direction: real images, and their translations beneath."""
    grid = list[np.ndarray]()
    for a, b in chosen:
        rows = np.resize(spread(real.rows(a), COLUMNS), COLUMNS)  # a domain that has fewer repeats them
        made = decode(translator, real, rows, translator.style_of(to=real.names[b]))
        before = translator.to_pictures(read_rows(translator, real, rows))
        grid += [np.concatenate([np.asarray(each) for each in line], axis=1) for line in (before, made)]
    return sheet([grid])


def translate(
    translator: Translator, real: Encoded, a: int, b: int, batch: int
) -> Iterator[tuple[int, list[Image.Image]]]:
    """The images of domain a in the mean style of domain b, a batch at a time with the number of those before."""
    style, rows = translator.style_of(to=real.names[b]), real.rows(a)
    for start in range(0, len(rows), batch):
        yield start, decode(translator, real, rows[start : start + batch], style)


def decode(translator: Translator, real: Encoded, rows: np.ndarray, style: Tensor) -> list[Image.Image]:
    content = real.content.mean[rows].to(translator.device)
    return translator.to_pictures(translator.restyle(content, style))


def read_rows(translator: Translator, real: Encoded, rows: np.ndarray) -> Tensor:
    """Some of the images themselves, `[B, 3, H, W]`; all were read before."""
    found = (pixels_of(translator, real.sources[row]) for row in rows)
    return translator.prepare([pixels for pixels in found if not isinstance(pixels, str)])


def spread(rows: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of these, evenly."""
    count = min(count, len(rows))
    return rows[[i * len(rows) // count for i in range(count)]]


def compared(features: Tensor, real: Tensor, extractor: Extractor) -> Tensor:
    """The features in which sets are compared, in the unit of the real ones."""
    a, b = features[:, : extractor.compared], real[:, : extractor.compared]
    return centred(a, b) if extractor.to_centre else a


def eight_bit(x: Tensor) -> Tensor:
    """`[B, 3, H, W]` in [0, 1] -> uint8."""
    return (x * 255).round().byte()
