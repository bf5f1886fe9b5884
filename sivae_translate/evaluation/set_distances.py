"""KID and FID: distances between two sets of images, in the features of a network.

KID is the squared MMD under the kernel (x.y / F + 1)^3 of F features, an unbiased estimate that may be negative
(Binkowski et al. 2018, arXiv:1801.01401). FID is the Frechet distance between two Gaussians (Heusel et al. 2017,
arXiv:1706.08500). FID falls as n grows, so FIDs of different n do not compare. Both are computed by torchmetrics.
The names KID and FID stand for Inception's features alone.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sivae_translate.extras import require

MINIMUM = 20  # images of a set, which leaves KID subsets of 10, and of 5 between halves
SUBSETS, SUBSET_SIZE = 100, 1000  # torchmetrics' defaults for KID; a subset holds at most half of the smaller set

DISTANCES = {"inception": ("fid", "kid"), "random-vgg16": ("kid_random_vgg16",)}  # names in reports, by extractor


def distance(a: Tensor, b: Tensor, name: str, seed: int = 0) -> tuple[float, dict[str, Any]]:
    """One distance between features `[n, F]` and `[m, F]`, float64 on the CPU.

    Args:
        name: one of the values of `DISTANCES`.
        seed: of the subsets of KID.

    Returns:
        The distance; and for KID, which is a mean over random subsets, its `std` over them, `subsets`, `subset_size`.
    """
    if name == "fid":
        return fid(a, b), {}
    subset_size = min(SUBSET_SIZE, min(len(a), len(b)) // 2)
    mean, deviation = kid(a, b, subset_size=subset_size, seed=seed)
    return mean, {"std": round(deviation, 6), "subsets": SUBSETS, "subset_size": subset_size}


def distances(a: Tensor, b: Tensor, extractor: str, seed: int = 0) -> dict[str, Any]:
    """Every distance of an extractor with its details, and n of the first set."""
    figures: dict[str, Any] = {"n": len(a)}
    for name in DISTANCES[extractor]:
        value, details = distance(a, b, name, seed)
        figures[name] = round(value, 6)
        if details:
            figures |= {f"{name}_std": details.pop("std"), **details}
    return figures


def halves(real: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two disjoint random halves of features `[n, F]`, `[n // 2, F]` each: the baseline `half_split`."""
    shuffled, half = real[np.random.default_rng(seed).permutation(len(real))], len(real) // 2
    return shuffled[:half], shuffled[len(real) - half :]


def kid(a: Tensor, b: Tensor, *, subsets: int = SUBSETS, subset_size: int, seed: int = 0) -> tuple[float, float]:
    """KID of features `[n, F]` and `[m, F]`: mean and standard deviation over random subsets."""
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # torchmetrics warns of memory; the features are in memory already
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reseed the GPUs too
        metric = require("torchmetrics.image.kid", "evaluation").KernelInceptionDistance(
            nn.Identity(), subsets=subsets, subset_size=subset_size
        )
        metric.update(b, real=True)
        metric.update(a, real=False)
        mean, deviation = metric.compute()
    return float(mean), float(deviation)


def fid(a: Tensor, b: Tensor) -> float:
    """FID of features `[n, F]` and `[m, F]`."""
    features: Any = nn.Identity()
    features.num_features = a.shape[1]
    metric = require("torchmetrics.image.fid", "evaluation").FrechetInceptionDistance(features)
    metric.update(b, real=True)
    metric.update(a, real=False)
    return float(metric.compute())
