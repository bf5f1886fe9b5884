"""The weighted ELBO, and the reconstructions that it is taken of. N = C H W, the values of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sivae_translate.objectives.functional import kl_divergence, kl_of_content, negative_elbo, squared_error
from sivae_translate.types import Distribution, Posterior

CIFAR10 = 3 * 32 * 32  # N of CIFAR-10, for which the paper's weights are the constructors' defaults


@dataclass(frozen=True)
class Reconstructions:
    """Images and the decoder's reconstructions of them, n rows.

    Attributes:
        targets: the images, `[n, C, H, W]`.
        outputs: the decoder's reconstructions of them, `[n, C, H, W]`.
        kl: KL(q || p) of each row's posterior to its prior, `[n]`, see `ELBO.kl`.
    """

    targets: Tensor
    outputs: Tensor
    kl: Tensor

    @property
    def error(self) -> Tensor:
        """L_r, `[n]`."""
        return squared_error(self.targets, self.outputs)

    @property
    def numel(self) -> int:
        """N, the values of an image."""
        return self.targets[0].numel()

    @staticmethod
    def cat(parts: Sequence[Reconstructions]) -> Reconstructions:
        """All rows."""
        columns = zip(*((part.targets, part.outputs, part.kl) for part in parts), strict=True)
        return Reconstructions(*(torch.cat(column) for column in columns))


@dataclass(frozen=True)
class ELBO:
    """The negative ELBO beta_rec L_r / N + beta_kl KL (Kingma & Welling 2014; beta: Higgins et al. 2017).

    The KL is in nats at every image size: KL = KL(content) + beta_style KL(style).

    Attributes:
        beta_rec: weight of the mean squared error, > 0.
        beta_kl: weight per nat, > 0.
        beta_style: weight of the style's KL relative to the content's, > 0.
    """

    beta_rec: float
    beta_kl: float
    beta_style: float

    def __post_init__(self) -> None:
        require_positive(beta_rec=self.beta_rec, beta_kl=self.beta_kl, beta_style=self.beta_style)

    def kl(self, q: Posterior, p: Distribution) -> Tensor:
        """KL(content) + beta_style KL(style) of q to p, `[B]`, in nats; see `kl_of_content`."""
        kl = kl_of_content(q.content, p.content)
        if q.style is not None and p.style is not None:
            kl = kl + self.beta_style * kl_divergence(q.style, p.style)
        return kl

    def loss(self, rows: Reconstructions) -> Tensor:
        """The mean negative ELBO over rows, a scalar."""
        weights = {"beta_rec": self.beta_rec, "beta_kl": self.beta_kl}
        return negative_elbo(rows.error, rows.kl, numel=rows.numel, **weights).mean()


def require_positive(**settings: float) -> None:
    """Raise ValueError naming the first setting that is not above 0."""
    for name, value in settings.items():
        if not value > 0:
            raise ValueError(f"{name}: must be > 0")
