"""The variational autoencoder with a content/style split: one phase, both players together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sivae_translate.objectives.functional import (
    kl_divergence,
    kl_to_mixture,
    negative_elbo,
    squared_error,
)
from sivae_translate.types import Batch, Code, Distribution, Latents, Mixture, Randn, Round

BEYOND = 2.0  # times the way from style to style
UNDONE = 100.0  # times what the error weighs; a KL of that much says nothing about the image any more


def draw(latents: Distribution, generator: torch.Generator) -> Code:
    """A sample of the distribution, by reparametrisation."""
    return latents.draw(normal(generator))


def normal(generator: torch.Generator) -> Randn:
    """Standard normal noise of a shape, on the generator's device."""
    return lambda shape: torch.randn(shape, generator=generator, device=generator.device)


def partners(code: Code) -> Code:
    """Each row with the style of the other row of its pair: what it must be rebuilt from. A single latent is itself."""
    if code.style is None:
        return code
    pairs = code.style.view(-1, 2, code.style.shape[-1])
    return Code(code.content, pairs.flip(1).reshape(code.style.shape))


def targets(batch: Batch, code: Code) -> Tensor:
    """What `partners(code)` must decode to."""
    return batch.images if code.style is None else batch.targets


def kl_to_prior(q: Latents, p: Distribution, beta_style: float) -> Tensor:
    """KL(q || p) in nats, `[B]`, content's (of a mixture its upper bound) plus beta_style times style's."""
    measure: Any = kl_to_mixture if isinstance(p.content, Mixture) else kl_divergence
    kl: Tensor = measure(q.content, p.content)
    if q.style is not None and p.style is not None:
        kl = kl + beta_style * kl_divergence(q.style, p.style)
    return kl


def in_pairs(share: float, rows: int) -> int:
    """A share of the rows, in whole pairs, one at least."""
    return max(2, round(share * rows / 2) * 2)


@dataclass(frozen=True)
class Rebuilt:
    """Rows with what the decoder made of them. n images.

    Attributes:
        wanted, made: `[n, C, H, W]`.
        kl: to the prior, `[n]`, in nats.
    """

    wanted: Tensor
    made: Tensor
    kl: Tensor

    @property
    def error(self) -> Tensor:
        """L_r, `[n]`."""
        return squared_error(self.wanted, self.made)

    def __add__(self, other: Rebuilt) -> Rebuilt:
        return Rebuilt(
            torch.cat([self.wanted, other.wanted]), torch.cat([self.made, other.made]), torch.cat([self.kl, other.kl])
        )


def back_translations(model: Any, batch: Batch, z: Code, n: int, generator: torch.Generator) -> Rebuilt:
    """The first n rows rebuilt from their translations: what the encoder reads from a row under the next pair's style
    must, under its own style, become the row again.

    Back-translation (Sennrich et al. 2016, arXiv:1511.06709; without any pairs, Lample et al. 2018, arXiv:1711.00043),
    for images a cycle (Zhu et al. 2017) of which only the way back is learned. The decoder otherwise sees no content
    but of the style's own domain, and relies on the trace that content keeps of it. Translations go beyond the style
    asked for, by up to `BEYOND` times the way there, so that their traces are of the other domain.

    Args:
        z: a sample of each row's content with the style of its partner, which is its own.
    """
    assert z.style is not None
    own, asked = z.style[:n], z.style.roll(2, 0)[:n]
    with torch.no_grad():
        beyond = BEYOND * torch.rand((n, 1), generator=generator, device=own.device)
        translated = model.decode(Code(z.content[:n], asked + beyond * (asked - own))).clamp(0, 1)
    q = Latents(model.encode(translated).content)
    made = model.decode(Code(draw(q, generator).content, own))
    return Rebuilt(batch.targets[:n], made, kl_to_prior(q, model.prior(batch.domains[:n]), 0.0))


def require_positive(**settings: float) -> None:
    for name, value in settings.items():
        if not value > 0:
            raise ValueError(f"{name}: must be > 0")


@dataclass(frozen=True)
class VAE:
    """beta_rec * L_r + beta_kl * KL (Kingma & Welling 2014; beta: Higgins et al. 2017), per value of the image.

    An image is rebuilt from its own content and the style of the other image of its pair, so that style can only
    hold what the pair shares.

    Attributes:
        beta_rec: weight of the squared error.
        beta_kl: weight of the KL divergence to the prior. Higher: less domain in the content, softer pictures.
        beta_style: weight of the style's share of that KL, relative to the content's.
        back_translation: fraction of the batch that is rebuilt from its translations too, 0..1. Half of it makes
            a step two thirds dearer.
    """

    beta_rec: float = 1.0
    beta_kl: float = 1.0
    beta_style: float = 0.02
    back_translation: float = 0.0

    def __post_init__(self) -> None:
        require_positive(beta_rec=self.beta_rec, beta_kl=self.beta_kl, beta_style=self.beta_style)
        if not 0 <= self.back_translation <= 1:
            raise ValueError("back_translation: must be 0 to 1, a share of the batch")

    def play(
        self, model: Any, batch: Batch, progress: float, generator: torch.Generator, average: Any
    ) -> Iterator[Round]:
        """One step on a batch: yields the round's players and loss, to be updated before the next is asked for.

        Args:
            model: both players, trained; talked to through `encode`, `decode`, `prior` and `domains`.
            progress: in [0, 1], of the budget.
            generator: the only source of randomness, on the batch's device.
            average: the moving average of the model, trained by none; what a bootstrap takes its targets from.
        """
        q = model.encode(batch.images)
        z = partners(draw(q, generator))
        kl = kl_to_prior(q, model.prior(batch.domains), self.beta_style)
        rows = Rebuilt(targets(batch, z), model.decode(z), kl)
        terms = {"rec": rows.error.mean(), "kl_real": kl.mean()}
        yield Round(("encoder", "decoder"), self.elbo(self.with_back(rows, model, batch, z, generator)), terms)

    def with_back(self, rows: Rebuilt, model: Any, batch: Batch, z: Code, generator: torch.Generator) -> Rebuilt:
        """The rows and, where there is a style, those rebuilt from their translations."""
        if not self.back_translation or z.style is None:
            return rows
        return rows + back_translations(model, batch, z, in_pairs(self.back_translation, len(batch)), generator)

    def elbo(self, rows: Rebuilt) -> Tensor:
        """Negative, the mean over the rows, a scalar."""
        scale = 1 / rows.wanted[0].numel()
        weights = {"beta_rec": self.beta_rec, "beta_kl": self.beta_kl}
        return negative_elbo(rows.error, rows.kl, scale=scale, **weights).mean()

    def health(self, terms: dict[str, float]) -> str | None:
        """What to change, by the means of the terms that were logged; None where all is well."""
        kl, error = terms.get("kl_real", 0.0), terms.get("rec", 0.0)
        if self.beta_kl * kl <= UNDONE * self.beta_rec * error:
            return None
        return f"KL(real) = {kl:,.0f} nats, the encoder has come undone: start again with a lower training.lr"
