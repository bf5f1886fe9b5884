"""What every objective shares: codes drawn from posteriors, reconstructions, and the weighted ELBO of them.

A batch comes in pairs of rows of one domain. Each row is reconstructed from its own content and its partner's style,
so style can hold only what a pair shares. N = C H W values of an image.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sivae_translate.objectives.functional import kl_divergence, kl_to_mixture, negative_elbo, squared_error
from sivae_translate.types import Code, Distribution, Latents, Mixture, Randn


@dataclass(frozen=True)
class Reconstructions:
    """Images and the decoder's reconstructions of them, n rows.

    Attributes:
        target, image: what should come out, and what did; `[n, C, H, W]`.
        kl: KL(q || p) of each row's posterior to its prior, `[n]`, nats.
    """

    target: Tensor
    image: Tensor
    kl: Tensor

    @property
    def error(self) -> Tensor:
        """L_r, `[n]`."""
        return squared_error(self.target, self.image)

    @property
    def values(self) -> int:
        """N, the numbers in an image."""
        return self.target[0].numel()

    def __add__(self, more: Reconstructions) -> Reconstructions:
        """All rows of both."""
        pairs = ((self.target, more.target), (self.image, more.image), (self.kl, more.kl))
        return Reconstructions(*map(torch.cat, pairs))


@dataclass(frozen=True)
class ELBO:
    """The negative ELBO beta_rec L_r / N + beta_kl KL (Kingma & Welling 2014; beta: Higgins et al. 2017).

    KL is counted in nats at every image size. KL = KL(content) + beta_style KL(style).

    Attributes:
        beta_rec: weight of the mean squared error, > 0.
        beta_kl: weight of a nat, > 0.
        beta_style: weight of the style's KL relative to the content's, > 0.
    """

    beta_rec: float
    beta_kl: float
    beta_style: float

    def __post_init__(self) -> None:
        require_positive(beta_rec=self.beta_rec, beta_kl=self.beta_kl, beta_style=self.beta_style)

    def kl(self, q: Latents, p: Distribution) -> Tensor:
        """KL(q || p) in nats, `[B]`; of a mixture its upper bound, see `kl_to_mixture`."""
        if isinstance(p.content, Mixture):
            kl = kl_to_mixture(q.content, p.content)
        else:
            kl = kl_divergence(q.content, p.content)
        if q.style is not None and p.style is not None:
            kl = kl + self.beta_style * kl_divergence(q.style, p.style)
        return kl

    def loss(self, rows: Reconstructions) -> Tensor:
        """Mean over the rows, a scalar."""
        weights = {"beta_rec": self.beta_rec, "beta_kl": self.beta_kl}
        return negative_elbo(rows.error, rows.kl, values=rows.values, **weights).mean()


def sample(p: Distribution, generator: torch.Generator) -> Code:
    """A code from a distribution, by reparametrisation."""
    return p.draw(normal(generator))


def normal(generator: torch.Generator) -> Randn:
    """Standard normal noise of a shape, on the generator's device."""
    return lambda shape: torch.randn(shape, generator=generator, device=generator.device)


def swap_styles(code: Code) -> Code:
    """Each row with its partner's style, rows 2i and 2i + 1 being partners. A single latent is returned as it is."""
    if code.style is None:
        return code
    pairs = code.style.view(-1, 2, code.style.shape[-1])
    return Code(code.content, pairs.flip(1).reshape(code.style.shape))


def whole_pairs(fraction: float, rows: int) -> int:
    """A fraction of the rows, rounded to whole pairs, at least one pair."""
    return max(2, round(fraction * rows / 2) * 2)


def require_positive(**settings: float) -> None:
    """Raise ValueError naming the first setting that is not above 0."""
    for name, value in settings.items():
        if not value > 0:
            raise ValueError(f"{name}: must be > 0")
