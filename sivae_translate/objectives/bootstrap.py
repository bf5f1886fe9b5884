"""Bootstrapped Soft-IntroVAE: a slow copy of the decoder reconstructs the fakes (Daniel & Tamar 2021,
arXiv:2012.13253). The paper updates the copy every epoch; here the copy is the moving average of the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sivae_translate.objectives.back_translation import BackTranslation
from sivae_translate.objectives.elbo import CIFAR10, ELBO
from sivae_translate.objectives.feature_matching import FeatureMatching
from sivae_translate.objectives.functional import squared_error
from sivae_translate.objectives.introspective import Fakes, Introspective
from sivae_translate.objectives.sampling import sample
from sivae_translate.objectives.soft_introvae import Exponential
from sivae_translate.objectives.vae import VAE
from sivae_translate.types import Model


@dataclass(frozen=True)
class BootstrappedExponential:
    """`Exponential` with the fakes' reconstructions by a target decoder T, which has no gradient:

        encoder:  mean_g (1 / alpha) exp(-alpha (beta_rec L_r(g, T(z_g)) / N + beta_neg KL(g)))
        decoder:  gamma_r beta_rec mean_g L_r(sg g, T(z_g)) / N

    z_g is not detached in the second: its gradient flows from T through z_g, the encoder and the fakes to the decoder.

    Attributes:
        exponential: the weights of both terms.
    """

    exponential: Exponential

    def encoder_loss(self, fakes: Fakes, elbo: ELBO, model: Model, ema: Model, generator: torch.Generator) -> Tensor:
        again = ema.decode(sample(fakes.q, generator))
        return self.exponential.mean(fakes, squared_error(fakes.images, again), elbo)

    def decoder_loss(
        self, fakes: Fakes, elbo: ELBO, model: Model, ema: Model, generator: torch.Generator
    ) -> Tensor | float:
        if not self.exponential.gamma_r:
            return 0.0
        again = ema.decode(sample(fakes.q, generator))
        error = squared_error(fakes.images.detach(), again).mean()
        return self.exponential.gamma_r * elbo.beta_rec * error / fakes.numel

    def advice(self, terms: Mapping[str, float]) -> str:
        return self.exponential.advice(terms)


def bootstrap(
    *,
    beta_rec: float = 1.0,
    beta_kl: float = 1 / CIFAR10,
    beta_style: float = 0.02,
    beta_neg: float = 256 / CIFAR10,
    alpha: float = 2.0,
    gamma_r: float = 1.0,
    vae_fraction: float = 0.0,
    fake_fraction: float = 1.0,
    feature_matching: float = 0.0,
    back_translation: float = 0.0,
) -> Introspective:
    """Bootstrapped Soft-IntroVAE: the fakes' reconstructions are those of a slow copy of the decoder.

    Args:
        beta_rec: weight of the mean squared error, > 0. Leave it at 1 and change beta_kl.
        beta_kl: weight per nat of KL, > 0. Higher: less of the domain in the content, blurrier images.
        beta_style: weight of the style's KL relative to the content's, > 0. Higher: less information in the style.
        beta_neg: weight per nat of the fakes' KL in the exponential, > 0; choose it as for soft-introvae.
        alpha: scale of the exponent, > 0. Leave it at the paper's 2.
        gamma_r: weight of the slow decoder's reconstruction of fakes, >= 0; 1 in the paper.
        vae_fraction: fraction of the budget trained as a plain VAE first, 0..1. The content prior of `style` learns
            only there.
        fake_fraction: rows of each kind of fake, as a fraction of the batch, above 0 and up to 1. Lower: faster steps.
        feature_matching: weight of the reconstructions' error in the encoder's features, >= 0. Higher: sharper images.
        back_translation: fraction of the batch that is also reconstructed from its translations, 0..1. For contents
            with a layout; half of the batch makes a step two thirds slower.
    """
    return Introspective(
        VAE(ELBO(beta_rec, beta_kl, beta_style), BackTranslation(back_translation)),
        BootstrappedExponential(Exponential(beta_neg, alpha, gamma_r)),
        FeatureMatching(feature_matching),
        vae_fraction,
        fake_fraction,
    )
