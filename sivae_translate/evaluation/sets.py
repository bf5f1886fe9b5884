"""The evaluation set: everything that metrics are computed from. Metrics see a model's outputs, not the model.

Shapes: n images or pairs of H x W pixels, F features, K content channels on a g x g grid, S style dimensions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sivae_translate.data.domains import Source
from sivae_translate.errors import SivaeError
from sivae_translate.evaluation.classifiers import DomainClassifier, train_domain_classifier
from sivae_translate.evaluation.content_labels import ContentLabels, content_labels
from sivae_translate.evaluation.extractors import Extractor
from sivae_translate.evaluation.perceptual import Perceptual
from sivae_translate.types import Gaussian

FEWEST = 5  # images per domain, so that the test split holds one of each
BATCH = 64  # images per pass of a network

T = TypeVar("T")


class NotMeasuredError(SivaeError):
    """The data does not allow this metric; the message is the reason."""


@dataclass(frozen=True)
class TranslatedPairs:
    """n translations beside their inputs and their truths.

    Attributes:
        targets: files of the truths; the name of a file's folder is its domain.
        images: "content", "style", "output" (the translations) and "target" (the truths), uint8 `[n, H, W, 3]` each.
    """

    targets: tuple[Path, ...]
    images: Mapping[str, np.ndarray]

    def distinct(self) -> tuple[np.ndarray, np.ndarray]:
        """The first row of each distinct truth, int64 `[m]`, and the distinct truth of each pair, int64 `[n]`."""
        place: dict[Path, int] = {}
        first = []
        for row, path in enumerate(self.targets):
            if path not in place:
                place[path] = len(place)
                first.append(row)
        return np.array(first), np.array([place[path] for path in self.targets])


@dataclass(frozen=True)
class EncodedDomains:
    """n real images of D domains: their codes and features, on the CPU.

    Attributes:
        names: of the domains.
        sources: the file of each image.
        labels: the domain of each image, an index into `names`, int64 `[n]`.
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

    def rows(self, name: str) -> np.ndarray:
        """The images of a domain, int64."""
        return np.flatnonzero(self.labels == self.names.index(name))

    def counts(self) -> dict[str, int]:
        """Images of each domain."""
        return {name: len(self.rows(name)) for name in self.names}

    def of_at_least(self, count: int) -> EncodedDomains:
        """The domains of `count` images or more; there may be none."""
        kept = [domain for domain, n in enumerate(self.counts().values()) if n >= count]
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


@dataclass(frozen=True)
class DomainPair:
    """The images of one domain translated to the mean style of another.

    Attributes:
        source, target: names of the domains.
        features: of the translations, float64 `[n, F]`, n the images of `source`.
        edges: agreement of the edges of each translation with those of its input, float64 `[n]`.
        unrelated_edges: the same with another image of `source` for the input, float64 `[n]`.
    """

    source: str
    target: str
    features: Tensor
    edges: np.ndarray
    unrelated_edges: np.ndarray

    @property
    def name(self) -> str:
        return f"{self.source} to {self.target}"


@dataclass(frozen=True)
class StyleVariations:
    """Translations of single images under several styles drawn from one domain's prior.

    Attributes:
        target: name of the domain.
        translations: uint8 `[styles, 3, H, W]` for each content image.
        real: as many real images of the domain, or all there are, uint8 `[B, 3, H, W]`.
    """

    target: str
    translations: tuple[Tensor, ...]
    real: Tensor


@dataclass(frozen=True)
class EvaluationSet:
    """The images of an evaluation with their codes and features, and the networks that compare them.

    Attributes:
        extractor: features for comparing sets and for classifiers.
        perceptual: distance between two images.
        seed: of splits, subsets and noise.
        pairs: translations whose truth is known, or None.
        domains: real images of several domains, or None.
        domain_pairs: translations between domains of the model.
        variations: translations in several styles of domains of the model.
        content_label: pattern of the content labels in the names of the domains' files.
    """

    extractor: Extractor
    perceptual: Perceptual
    seed: int = 0
    pairs: TranslatedPairs | None = None
    domains: EncodedDomains | None = None
    domain_pairs: tuple[DomainPair, ...] = ()
    variations: tuple[StyleVariations, ...] = ()
    content_label: re.Pattern[str] | None = None

    @property
    def offers(self) -> frozenset[str]:
        """Of `Metric.needs`, those that are met."""
        given = {"pairs": self.pairs, "domains": self.domains, "classifier": self.domains}
        names = {name for name, value in given.items() if value is not None}
        return frozenset(names | {self.extractor.name, self.perceptual.measure})

    @cached_property
    def large_domains(self) -> EncodedDomains:
        """The domains of `FEWEST` images or more. Raises NotMeasuredError for fewer than two."""
        found = present(self.domains).of_at_least(FEWEST)
        if len(found.names) < 2:
            raise NotMeasuredError(f"fewer than two domains have {FEWEST} images or more")
        return found

    @cached_property
    def classifier(self) -> DomainClassifier:
        """Trained on the real images. Raises NotMeasuredError for fewer than two domains of `FEWEST` images."""
        real = self.large_domains
        return train_domain_classifier(real.features.numpy(), real.labels, real.names, self.seed)

    @cached_property
    def labels(self) -> ContentLabels:
        """Content labels of the real images. Raises NotMeasuredError where no two labels recur."""
        real, pattern = present(self.domains), self.content_label
        found = content_labels([name_of(source) for source in real.sources], real.labels, pattern)
        if found is None:
            reason = "no two content labels recur" if pattern else "no two file names recur in two domains"
            raise NotMeasuredError(f"{reason} among {len(real.labels)} images; try --content-label REGEX")
        return found

    @cached_property
    def pair_features(self) -> dict[str, Tensor]:
        """Features of the pairs' "content", "output" and "target", float64 `[n, F]` each."""
        images = present(self.pairs).images
        return {column: self.features(images[column]) for column in ("content", "output", "target")}

    def features(self, images: np.ndarray) -> Tensor:
        """Features of images, uint8 `[n, H, W, 3]` -> float64 `[n, F]`."""
        parts = [
            self.extractor([Image.fromarray(image) for image in images[i : i + BATCH]], self.perceptual.device)
            for i in range(0, len(images), BATCH)
        ]
        return torch.cat(parts)


def present(value: T | None) -> T:
    """The value. Raises NotMeasuredError where the evaluation set has none."""
    if value is None:
        raise NotMeasuredError("the evaluation set has no such images")
    return value


def name_of(source: Source) -> str:
    """A file's name without its suffix, or the view inside a Cars3D file."""
    return source.path.stem if source.view is None else f"view{source.view:02d}"
