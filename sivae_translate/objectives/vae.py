"""The variational autoencoder with a content/style split: one phase, encoder and decoder together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch

from sivae_translate.objectives.back_translation import BackTranslation
from sivae_translate.objectives.elbo import CIFAR10, ELBO, Reconstructions
from sivae_translate.objectives.pairs import swap_styles
from sivae_translate.objectives.sampling import sample
from sivae_translate.types import Batch, Model, Phase

DOMINATED = 100.0  # ratio of the weighted KL to the weighted error, above which the KL alone is trained
COLLAPSED = 10.0  # nats per image; a dominating KL below is that of an empty code, of a diverged encoder thousands
EMPTY = 0.1  # nats per image; a KL below is that of an empty code, whatever the weights: runs begin with more than 1


@dataclass(frozen=True)
class VAE:
    """The weighted negative ELBO of the images and of their back-translations.

    Attributes:
        elbo: the weights of the ELBO.
        back_translation: adds rows to the ELBO.
    """

    elbo: ELBO
    back_translation: BackTranslation

    def play(
        self, model: Model, batch: Batch, progress: float, generator: torch.Generator, ema: Model
    ) -> Iterator[Phase]:
        """One step on a batch; see `types.Objective`."""
        q = model.encode(batch.images)
        z = swap_styles(sample(q, generator))
        real = Reconstructions(batch.targets, model.decode(z), self.elbo.kl(q, model.prior(batch.domains)))
        rows = self.back_translation.append(real, model, batch, z, self.elbo, generator)
        terms = {"rec": real.error.mean(), "kl_real": real.kl.mean()}
        yield Phase(("encoder", "decoder"), self.elbo.loss(rows), terms)

    def stage(self, progress: float) -> str:
        """The one stage, "vae"; see `types.Objective`."""
        return "vae"

    def diagnose(self, terms: Mapping[str, float], numel: int) -> str | None:
        """Advice where the encoder has diverged, or where the posterior has collapsed; see `types.Objective`."""
        if "kl_real" not in terms or "rec" not in terms:
            return None
        kl, error = terms["kl_real"], terms["rec"] / numel
        weighted_kl, weighted_error = self.elbo.beta_kl * kl, self.elbo.beta_rec * error
        dominated = weighted_kl > DOMINATED * weighted_error
        if dominated and kl > COLLAPSED:
            return f"KL(real) = {kl:,.0f} nats, the encoder has diverged: start again with a lower training.lr"
        if dominated or kl < EMPTY or (kl < 1 and weighted_kl > weighted_error):
            fix = f"lower objective.beta_kl (now {self.elbo.beta_kl:g})"
            return f"KL(real) = {kl:.2g} nats, the code says little of the image (posterior collapse): {fix}"
        return None


def vae(
    *, beta_rec: float = 1.0, beta_kl: float = 1 / CIFAR10, beta_style: float = 0.02, back_translation: float = 0.0
) -> VAE:
    """The plain VAE, without an adversarial phase.

    Args:
        beta_rec: weight of the mean squared error, > 0. Leave it at 1 and change beta_kl.
        beta_kl: weight per nat of KL, > 0. Higher: less of the domain in the content, blurrier images.
        beta_style: weight of the style's KL relative to the content's, > 0. Higher: less information in the style.
        back_translation: fraction of the batch that is also reconstructed from its translations, 0..1. For contents
            with a layout; half of the batch makes a step two thirds slower.
    """
    return VAE(ELBO(beta_rec, beta_kl, beta_style), BackTranslation(back_translation))
