"""Soft-IntroVAE: the adversarial term is the exponential of the fakes' ELBO (Daniel & Tamar, CVPR 2021,
arXiv:2012.13253)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sivae_translate.objectives.back_translation import BackTranslation
from sivae_translate.objectives.elbo import CIFAR10, ELBO, require_positive
from sivae_translate.objectives.feature_matching import FeatureMatching
from sivae_translate.objectives.functional import exponential_elbo, squared_error
from sivae_translate.objectives.introspective import Fakes, Introspective
from sivae_translate.objectives.sampling import sample
from sivae_translate.objectives.vae import VAE
from sivae_translate.types import Model

SATURATION = 0.1  # fraction of 1 / alpha; below it the exponential's gradient has nearly vanished


@dataclass(frozen=True)
class Exponential:
    """The exponential of the fakes' ELBO, with their reconstructions D(z_g), z_g ~ q(z|g):

        encoder:  mean_g (1 / alpha) exp(-alpha (beta_rec L_r(g, D(z_g)) / N + beta_neg KL(g)))
        decoder:  gamma_r beta_rec mean_g L_r(sg g, D(sg z_g)) / N

    Attributes:
        beta_neg: weight per nat of the fakes' KL, > 0.
        alpha: scale of the exponent, > 0.
        gamma_r: weight of the decoder's term, >= 0.
    """

    beta_neg: float
    alpha: float
    gamma_r: float

    def __post_init__(self) -> None:
        require_positive(beta_neg=self.beta_neg, alpha=self.alpha)
        if self.gamma_r < 0:
            raise ValueError("gamma_r: must be >= 0")

    def encoder_loss(self, fakes: Fakes, elbo: ELBO, model: Model, ema: Model, generator: torch.Generator) -> Tensor:
        again = model.decode(sample(fakes.q, generator))
        return self.mean(fakes, squared_error(fakes.images, again), elbo)

    def decoder_loss(
        self, fakes: Fakes, elbo: ELBO, model: Model, ema: Model, generator: torch.Generator
    ) -> Tensor | float:
        if not self.gamma_r:
            return 0.0
        again = model.decode(sample(fakes.q, generator).detach())
        error = squared_error(fakes.images.detach(), again).mean()
        return self.gamma_r * elbo.beta_rec * error / fakes.numel

    def mean(self, fakes: Fakes, error: Tensor, elbo: ELBO) -> Tensor:
        """Mean of the exponential over fakes, for their `error` L_r, `[kinds n]`; a scalar."""
        weights = {"beta_rec": elbo.beta_rec, "beta_neg": self.beta_neg, "alpha": self.alpha}
        return exponential_elbo(error, fakes.kl, numel=fakes.numel, **weights).mean()

    def advice(self, terms: Mapping[str, float]) -> str:
        now = f"(now {self.beta_neg:g})"
        if terms["adversarial"] * self.alpha > SATURATION:
            return f"the exponential is not saturated, raise objective.beta_neg {now}"
        return f"the exponential is saturated, lower objective.beta_neg {now}, which raises every KL"


def soft_introvae(
    *,
    beta_rec: float = 1.0,
    beta_kl: float = 1 / CIFAR10,
    beta_style: float = 0.02,
    beta_neg: float = 256 / CIFAR10,
    alpha: float = 2.0,
    gamma_r: float = 0.0,
    vae_fraction: float = 0.0,
    fake_fraction: float = 1.0,
    feature_matching: float = 0.0,
    back_translation: float = 0.0,
) -> Introspective:
    """Soft-IntroVAE, with the paper's weights for CIFAR-10 as defaults.

    Args:
        beta_rec: weight of the mean squared error, > 0. Leave it at 1 and change beta_kl.
        beta_kl: weight per nat of KL, > 0, at every image size; the paper's b_kl over N = 3 H W. Higher: less of the
            domain in the content, blurrier images.
        beta_style: weight of the style's KL relative to the content's, > 0. Higher: less information in the style.
        beta_neg: weight per nat of the fakes' KL in the exponential, > 0; the paper's b_neg over N. Where fakes pass
            for real, the encoder balances at KL = ln(beta_neg / beta_kl) / (alpha beta_neg). Above the plain
            VAE's KL, every KL rises to it.
        alpha: scale of the exponent, > 0. Leave it at the paper's 2.
        gamma_r: weight of the decoder's reconstruction of fakes, >= 0. The paper's code has 1e-8, which buys nothing
            measurable for a fifth of the time.
        vae_fraction: fraction of the budget trained as a plain VAE first, 0..1. The content prior of `style` learns
            only there, and an adversarial step takes the time of two.
        fake_fraction: rows of each kind of fake, as a fraction of the batch, above 0 and up to 1. Lower: faster steps.
        feature_matching: weight of the reconstructions' error in the encoder's features, >= 0. Higher: sharper images.
        back_translation: fraction of the batch that is also reconstructed from its translations, 0..1. For contents
            with a layout; half of the batch makes a step two thirds slower.
    """
    return Introspective(
        VAE(ELBO(beta_rec, beta_kl, beta_style), BackTranslation(back_translation)),
        Exponential(beta_neg, alpha, gamma_r),
        FeatureMatching(feature_matching),
        vae_fraction,
        fake_fraction,
    )
