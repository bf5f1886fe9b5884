"""Bootstrapped Soft-IntroVAE: generated images are judged by a slow copy of the decoder (Daniel & Tamar 2021,
arXiv:2012.13253, whose copy is renewed every epoch; here it is the run's moving average)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sivae_translate.objectives.functional import squared_error
from sivae_translate.objectives.introspective import Generated
from sivae_translate.objectives.soft_introvae import SoftIntroVAE
from sivae_translate.objectives.vae import draw


@dataclass(frozen=True)
class Bootstrap(SoftIntroVAE):
    """Soft-IntroVAE in which generated images are decoded again by a target decoder T that neither player moves:

        adversarial(g)    = mean_g (1/alpha) exp(-alpha s (beta_rec L_r(g, T(z_g)) + beta_neg KL(g)))
        regularised(g) = gamma_r s beta_rec mean_g L_r(sg g, T(z_g))

    z_g is not stopped in the second, which thus reaches the decoder through the encoder and the images themselves.
    """

    gamma_r: float = 1.0

    def adversarial(self, generated: Generated, model: Any, average: Any, generator: torch.Generator) -> Tensor:
        again = average.decode(draw(generated.q, generator))
        return self.exponential(generated, squared_error(generated.images, again))

    def regularised(self, generated: Generated, model: Any, average: Any, generator: torch.Generator) -> Tensor | float:
        again = average.decode(draw(generated.q, generator))
        error = squared_error(generated.images.detach(), again).mean()
        return self.gamma_r * generated.scale * self.beta_rec * error
