"""IntroVAE: the adversarial term is a hinge on the fakes' KL (Huang et al., NeurIPS 2018, arXiv:1807.06358)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sivae_translate.objectives.back_translation import BackTranslation
from sivae_translate.objectives.elbo import CIFAR10, ELBO, require_positive
from sivae_translate.objectives.feature_matching import FeatureMatching
from sivae_translate.objectives.functional import hinge
from sivae_translate.objectives.introspective import Fakes, Introspective
from sivae_translate.objectives.vae import VAE
from sivae_translate.types import Model


@dataclass(frozen=True)
class Hinge:
    """beta_neg mean_kinds max(0, margin - mean_g KL(g)) for the encoder, nothing for the decoder.

    Attributes:
        beta_neg: weight of a nat, > 0.
        margin: nats, > 0.
    """

    beta_neg: float
    margin: float

    def __post_init__(self) -> None:
        require_positive(beta_neg=self.beta_neg, margin=self.margin)

    def encoder_loss(self, fakes: Fakes, elbo: ELBO, model: Model, ema: Model, generator: torch.Generator) -> Tensor:
        hinges = torch.stack([hinge(kl, self.margin) for kl in fakes.kl_by_kind()])
        return self.beta_neg * hinges.mean()

    def decoder_loss(
        self, fakes: Fakes, elbo: ELBO, model: Model, ema: Model, generator: torch.Generator
    ) -> Tensor | float:
        return 0.0

    def advice(self, terms: Mapping[str, float]) -> str:
        if terms["adversarial"] == 0:
            return f"the KL of fakes exceeds the margin: raise objective.margin (now {self.margin:g})"
        return f"raise objective.beta_neg (now {self.beta_neg:g})"


def introvae(
    *,
    beta_rec: float = 1.0,
    beta_kl: float = 1 / CIFAR10,
    beta_style: float = 0.02,
    beta_neg: float = 0.5 / CIFAR10,
    margin: float = 60.0,
    vae_fraction: float = 0.0,
    fake_fraction: float = 1.0,
    feature_matching: float = 0.0,
    back_translation: float = 0.0,
) -> Introspective:
    """IntroVAE, the predecessor of Soft-IntroVAE; a baseline.

    Args:
        beta_rec: weight of the mean squared error, > 0. Leave it at 1 and change beta_kl.
        beta_kl: weight per nat of KL, > 0. Higher: less of the domain in the content, blurrier images.
        beta_style: weight of the style's KL relative to the content's, > 0. Higher: less information in the style.
        beta_neg: weight per nat of the hinge, > 0; half of beta_kl at the original's 256 px.
        margin: nats, > 0; fakes of a higher KL are left alone. It must lie above the KL of real images; 120 at the
            original's 256 px with 512 latents.
        vae_fraction: fraction of the budget trained as a plain VAE first, 0..1. The content prior of `style` learns
            only there.
        fake_fraction: rows of each kind of fake, as a fraction of the batch, above 0 and up to 1. Lower: faster steps.
        feature_matching: weight of the reconstructions' error in the encoder's features, >= 0. Higher: sharper images.
        back_translation: fraction of the batch that is also reconstructed from its translations, 0..1. For contents
            with a layout; half of the batch makes a step two thirds slower.
    """
    return Introspective(
        VAE(ELBO(beta_rec, beta_kl, beta_style), BackTranslation(back_translation)),
        Hinge(beta_neg, margin),
        FeatureMatching(feature_matching),
        vae_fraction,
        fake_fraction,
    )
