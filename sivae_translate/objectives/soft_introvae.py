"""Soft-IntroVAE: generated images are adversarial by an exponential of their ELBO (Daniel & Tamar, CVPR 2021,
arXiv:2012.13253)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sivae_translate.objectives.functional import repulsion, squared_error
from sivae_translate.objectives.introspective import Generated, Introspective
from sivae_translate.objectives.vae import draw, require_positive

SATURATED = 0.1  # of the exponential's largest value; above it the encoder is not yet held back


@dataclass(frozen=True)
class SoftIntroVAE(Introspective):
    """The game of `Introspective` with

        adversarial(g)    = mean_g (1/alpha) exp(-alpha s (beta_rec L_r(g, D(z_g)) + beta_neg KL(g)))
        regularised(g) = gamma_r s beta_rec mean_g L_r(sg g, D(sg z_g))

    Attributes:
        beta_neg: weight of the KL of generated images in the exponential. Where those pass for real, pull and push on
            the encoder balance at KL = ln(beta_neg / beta_kl) / (alpha s beta_neg): choose it so that this is not
            above the plain VAE's KL, or the encoder inflates every KL up to it.
        alpha: sharpness of the exponential, 2 in the paper.
        gamma_r: weight of the decoder's own reconstruction of generated images; the paper's code has 1e-8, which
            buys nothing measurable for a fifth of the time, hence 0.
    """

    beta_neg: float = 256.0
    alpha: float = 2.0
    gamma_r: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(beta_neg=self.beta_neg, alpha=self.alpha)
        if self.gamma_r < 0:
            raise ValueError("gamma_r: must be >= 0")

    def adversarial(self, generated: Generated, model: Any, average: Any, generator: torch.Generator) -> Tensor:
        again = model.decode(draw(generated.q, generator))
        return self.exponential(generated, squared_error(generated.images, again))

    def remedy(self, terms: dict[str, float]) -> str:
        now = f"(now {self.beta_neg:g})"
        if terms["adversarial"] * self.alpha > SATURATED:
            return f"the exponential is not saturated, raise objective.beta_neg {now}"
        return f"they are hardly adversarial; a lower objective.beta_neg {now} repels them more, and raises every KL"

    def exponential(self, generated: Generated, error: Tensor) -> Tensor:
        """Mean over generated images of the exponential of their ELBO, their L_r given."""
        weights = {"beta_rec": self.beta_rec, "beta_neg": self.beta_neg, "alpha": self.alpha}
        return repulsion(error, generated.kl, scale=generated.scale, **weights).mean()

    def regularised(self, generated: Generated, model: Any, average: Any, generator: torch.Generator) -> Tensor | float:
        if not self.gamma_r:
            return 0.0
        again = model.decode(draw(generated.q, generator).detach())
        error = squared_error(generated.images.detach(), again).mean()
        return self.gamma_r * generated.scale * self.beta_rec * error
