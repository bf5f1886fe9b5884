"""The objectives, by the name a recipe calls them. They differ in how the encoder repels generated images: not at
all, by a hinge on their KL, by an exponential of their ELBO, by that exponential under a slow decoder."""

from __future__ import annotations

from sivae_translate.objectives.bootstrap import Bootstrap
from sivae_translate.objectives.introvae import IntroVAE
from sivae_translate.objectives.soft_introvae import SoftIntroVAE
from sivae_translate.objectives.vae import VAE

OBJECTIVES: dict[str, type[VAE]] = {
    "vae": VAE,
    "introvae": IntroVAE,
    "soft-introvae": SoftIntroVAE,
    "bootstrap": Bootstrap,
}

__all__ = ["OBJECTIVES", "VAE", "Bootstrap", "IntroVAE", "SoftIntroVAE"]
