"""Pseudo-domains for images without labels: k-means clusters of colour histograms.

The two images of a training pair should share their style and differ in their content. Colours of an object change
little with its pose, so images with similar colours form such pairs. TUNIT (Baek et al. 2021, arXiv:2006.06500) also
replaces labels by clusters, of learned features.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from PIL import Image

from sivae_translate.data.domains import Domains

HUES, SATURATIONS, GREYS = 24, 3, 4  # bins; the value of a coloured pixel depends on the light and is ignored
COLOURED = 40  # saturation in 0..255; a pixel below it counts as grey
PRESENT = 0.01  # least fraction of an image's pixels in a bin for the image to contain that colour
MAX_CLUSTERS = 256
RESTARTS, ITERATIONS = 5, 30  # of k-means


def cluster_by_colour(domains: Domains, images: Iterable[np.ndarray], seed: int) -> Domains:
    """The images of an unlabelled folder in pseudo-domains cluster-001, cluster-002 and so on.

    The number of k-means clusters is the square root of the number of images, at most `MAX_CLUSTERS`. Clusters of one
    image are then merged into others.

    Args:
        domains: the folder's images, in one domain.
        images: uint8 `[H, W, 3]`, in the order of `domains.sources`.
        seed: of the first centres.
    """
    features = tf_idf(np.stack([colour_histogram(image) for image in images]))
    count = min(MAX_CLUSTERS, round(math.sqrt(len(features))))
    labels = merge_singletons(features, k_means(features, count, seed))
    names = tuple(f"cluster-{label + 1:03}" for label in range(labels.max() + 1))
    return replace(domains, names=names, labels=tuple(labels.tolist()))


def colour_histogram(image: np.ndarray) -> np.ndarray:
    """Fractions `[F]` of an image's pixels in bins of hue and saturation, or for grey pixels in bins of value.

    A coloured pixel counts in its four nearest bins with bilinear weights, so a small change of colour changes the
    histogram little.

    Args:
        image: uint8 `[H, W, 3]`.
    """
    hue, saturation, value = np.asarray(Image.fromarray(image).convert("HSV")).reshape(-1, 3).T.astype(np.float64)
    coloured = saturation >= COLOURED
    x = hue[coloured] / 256 * HUES - 0.5
    y = ((saturation[coloured] - COLOURED) / (256 - COLOURED) * SATURATIONS - 0.5).clip(0, SATURATIONS - 1)
    colours = np.zeros((HUES, SATURATIONS))
    for dx, dy in ((0, 0), (0, 1), (1, 0), (1, 1)):
        column, row = np.floor(x) + dx, np.minimum(np.floor(y) + dy, SATURATIONS - 1)
        weights = (1 - abs(x - column)) * (abs(1 - dy - (y - np.floor(y))))
        np.add.at(colours, ((column % HUES).astype(int), row.astype(int)), weights)
    greys = np.bincount((value[~coloured] * GREYS // 256).astype(int), minlength=GREYS)
    fractions: np.ndarray = np.concatenate([colours.ravel(), greys]) / len(hue)
    return fractions


def tf_idf(histograms: np.ndarray) -> np.ndarray:
    """Histograms `[n, F]` as unit vectors, each bin weighted by its inverse document frequency.

    A colour that most images contain separates clusters little (inverse document frequency, Spärck Jones 1972). The
    square root raises the weight of small areas.
    """
    rarity = np.log(len(histograms) / (1 + (histograms >= PRESENT).sum(0))).clip(min=0)
    features = np.sqrt(histograms) * rarity
    unit: np.ndarray = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return unit


def k_means(features: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Labels `[n]` in 0..count - 1 of features `[n, F]`, of least error in `RESTARTS` runs. Clusters may be empty."""
    from scipy.cluster.vq import kmeans2  # here and below, as SciPy's import takes long and labelled images need none

    random, best, least = np.random.default_rng(seed), np.zeros(len(features), np.int64), math.inf
    for _ in range(RESTARTS):
        centres, labels = kmeans2(features, count, iter=ITERATIONS, minit="++", seed=random)
        error = float(((features - centres[labels]) ** 2).sum())
        if error < least:
            best, least = labels.astype(np.int64), error
    return best


def merge_singletons(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Labels `[n]` renumbered 0, 1, ...; the image of a cluster of one joins the nearest other centre."""
    kept = [label for label, count in enumerate(np.bincount(labels)) if count > 1]
    if not kept:
        return np.zeros_like(labels)
    centres = np.stack([features[labels == label].mean(0) for label in kept])
    single = ~np.isin(labels, kept)
    merged = np.searchsorted(kept, labels)
    if single.any():
        from scipy.spatial.distance import cdist

        merged[single] = cdist(features[single], centres).argmin(1)
    return merged
