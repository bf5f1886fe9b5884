"""The variational autoencoder with a content/style split: one phase, both players together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sivae_translate.objectives.functional import kl_divergence, kl_to_mixture, negative_elbo, squared_error
from sivae_translate.types import Batch, Code, Distribution, Latents, Mixture, Randn, Round


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
    """

    beta_rec: float = 1.0
    beta_kl: float = 1.0
    beta_style: float = 0.02

    def __post_init__(self) -> None:
        require_positive(beta_rec=self.beta_rec, beta_kl=self.beta_kl, beta_style=self.beta_style)

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
        x, q = batch.images, model.encode(batch.images)
        kl = kl_to_prior(q, model.prior(batch.domains), self.beta_style)
        z = draw(q, generator)
        error = squared_error(targets(batch, z), model.decode(partners(z)))
        loss = negative_elbo(error, kl, scale=1 / x[0].numel(), beta_rec=self.beta_rec, beta_kl=self.beta_kl)
        yield Round(("encoder", "decoder"), loss.mean(), {"rec": error.mean(), "kl_real": kl.mean()})

    def health(self, terms: dict[str, float]) -> str | None:
        """What to change, by the means of the terms that were logged; None where all is well, as ever here."""
        return None
