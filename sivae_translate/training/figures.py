"""Figures of held-out images: PSNR, KID of each target domain, and a linear classifier of domains.

The features are those of `models.random_vgg16`, so that no figure needs weights to fetch or an optional package.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

PEAK = 1e-10  # mean squared error that counts as none: 100 dB
RIDGE = 0.1  # L2 penalty of the classifier, relative to the variance of a standardised feature


def psnr(images: Tensor, copies: Tensor) -> Tensor:
    """PSNR in dB `[B]`, at most 100, between images `[B, C, H, W]` in [0, 1] and their copies, clamped to [0, 1]."""
    error = (images - copies.clamp(0, 1)).square().flatten(1).mean(1)
    return -10 * torch.log10(error.clamp(min=PEAK))


def kid(a: Tensor, b: Tensor) -> float:
    """KID of features `[n, F]` and `[m, F]`, n and m at least 2: the unbiased squared MMD over all images at once.

    It may be negative. See `evaluation.set_distances`, which takes random subsets of larger sets.
    """

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x: Tensor) -> Tensor:
        similar, n = kernel(x, x), len(x)
        return (similar.sum() - similar.trace()) / (n * (n - 1))

    return float(within(a) + within(b) - 2 * kernel(a, b).mean())


def mean_kid(a: Tensor, targets: Tensor, b: Tensor, labels: Tensor) -> float:
    """The mean over domains of the KID between the rows of a domain in both sets.

    Sets that are pooled over the domains would score well where images are not translated at all.

    Args:
        a, b: features `[n, F]` and `[m, F]`.
        targets, labels: the domains of the rows, int64 `[n]` and `[m]`; each in `targets` has two rows in both sets.
    """
    each = [kid(a[targets == domain], b[labels == domain]) for domain in sorted(set(targets.tolist()))]
    return sum(each) / len(each)


class LinearClassifier:
    """Least squares from standardised features to one-hot domains, with an L2 penalty, in closed form.

    Args:
        features: of real images, float64 `[n, F]`.
        labels: int64 `[n]`.
    """

    def __init__(self, features: Tensor, labels: Tensor) -> None:
        self.domains = torch.tensor(sorted(set(labels.tolist())))
        self.mean, self.scale = features.mean(0), features.std(0, correction=0).clamp(min=1e-9)
        x, y = self._standardised(features), (labels[:, None] == self.domains).double()
        penalty = RIDGE * len(x) * torch.eye(x.shape[1], dtype=x.dtype)
        self.bias = y.mean(0)
        self.weight = torch.linalg.solve(x.T @ x + penalty, x.T @ (y - self.bias))

    def accuracy(self, features: Tensor, labels: Tensor) -> float:
        """The fraction of images, by their features `[n, F]`, that are taken for the domain in `labels`, `[n]`."""
        predicted = self.domains[(self._standardised(features) @ self.weight + self.bias).argmax(1)]
        return float((predicted == labels).double().mean())

    def _standardised(self, features: Tensor) -> Tensor:
        return (features - self.mean) / self.scale


def rows_of(labels: Iterable[int], domain: int) -> list[int]:
    """The rows of a domain."""
    return [row for row, label in enumerate(labels) if label == domain]
