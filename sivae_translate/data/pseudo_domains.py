"""Pseudo-domains of images that nobody has labelled: groups of like colours, to pair images within.

A pair must share its style and differ in its content. What an object or a drawing is coloured with is there in any pose
and layout, so like colours make such pairs. Grouping by features of one's own to learn a translator without labels is
TUNIT's idea (Baek et al. 2021, arXiv:2006.06500), which learns them along with it; here the features are colours.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from PIL import Image
from scipy.cluster.vq import kmeans2
from scipy.spatial.distance import cdist

from sivae_translate.data.domains import Domains

HUES, SATURATIONS, GREYS = 24, 3, 4  # bins; how bright a colour is depends on the light and is left out
COLOURED = 40  # saturation in 0..255, from which on a pixel has a hue
SHOWN = 0.01  # of the pixels, from which on an image has a colour
LARGEST = 256  # groups
STARTS, ROUNDS = 5, 30  # of k-means


def by_colours(domains: Domains, images: Iterable[np.ndarray], seed: int) -> Domains:
    """The images of one bag in pseudo-domains group-001, group-002 and so on: as many as the square root of their
    number, or as have several images.

    Args:
        images: uint8 `[H, W, 3]`, in the order of `domains.sources`.
        seed: of the first centres.
    """
    features = weighed(np.stack([histogram(image) for image in images]))
    labels = several(features, clusters(features, min(LARGEST, round(math.sqrt(len(features)))), seed))
    names = tuple(f"group-{label + 1:03}" for label in range(labels.max() + 1))
    return replace(domains, names=names, labels=tuple(labels.tolist()))


def histogram(image: np.ndarray) -> np.ndarray:
    """The share of an image's pixels, uint8 `[H, W, 3]`, in each bin of hue and saturation, and of value for greys.

    A coloured pixel is shared between the bins whose middles it lies between, so that none jumps in another light.
    """
    hue, saturation, value = np.asarray(Image.fromarray(image).convert("HSV")).reshape(-1, 3).T.astype(np.float64)
    coloured = saturation >= COLOURED
    x = hue[coloured] / 256 * HUES - 0.5
    y = ((saturation[coloured] - COLOURED) / (256 - COLOURED) * SATURATIONS - 0.5).clip(0, SATURATIONS - 1)
    shares = np.zeros((HUES, SATURATIONS))
    for dx, dy in ((0, 0), (0, 1), (1, 0), (1, 1)):
        column, row = np.floor(x) + dx, np.minimum(np.floor(y) + dy, SATURATIONS - 1)
        weights = (1 - abs(x - column)) * (abs(1 - dy - (y - np.floor(y))))
        np.add.at(shares, ((column % HUES).astype(int), row.astype(int)), weights)
    greys = np.bincount((value[~coloured] * GREYS // 256).astype(int), minlength=GREYS)
    found: np.ndarray = np.concatenate([shares.ravel(), greys]) / len(hue)
    return found


def weighed(shares: np.ndarray) -> np.ndarray:
    """Shares `[n, F]` as directions: roots, so that small parts count, each colour by how few images show it, as words
    are in texts (Spärck Jones 1972)."""
    rarity = np.log(len(shares) / (1 + (shares >= SHOWN).sum(0))).clip(min=0)
    features = np.sqrt(shares) * rarity
    found: np.ndarray = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return found


def clusters(features: np.ndarray, count: int, seed: int) -> np.ndarray:
    """k-means of `[n, F]`, the closest of some starts: labels `[n]`, of which some may be missing."""
    random, best, least = np.random.default_rng(seed), np.zeros(len(features), np.int64), math.inf
    for _ in range(STARTS):
        centres, labels = kmeans2(features, count, iter=ROUNDS, minit="++", seed=random)
        error = float(((features - centres[labels]) ** 2).sum())
        if error < least:
            best, least = labels.astype(np.int64), error
    return best


def several(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The labels 0, 1, ... of groups of two images or more; a lone image joins the group whose middle is nearest."""
    kept = [label for label, count in enumerate(np.bincount(labels)) if count > 1]
    if not kept:
        return np.zeros_like(labels)
    middles = np.stack([features[labels == label].mean(0) for label in kept])
    lone = ~np.isin(labels, kept)
    found = np.searchsorted(kept, labels)
    if lone.any():
        found[lone] = cdist(features[lone], middles).argmin(1)
    return found
