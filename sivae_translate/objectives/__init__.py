"""The objectives, by the name a recipe calls them. They differ in how the encoder repels generated images."""

from __future__ import annotations

from sivae_translate.objectives.soft_introvae import SoftIntroVAE
from sivae_translate.objectives.vae import VAE

Objective = SoftIntroVAE | VAE

OBJECTIVES: dict[str, type[SoftIntroVAE] | type[VAE]] = {"soft-introvae": SoftIntroVAE, "vae": VAE}

__all__ = ["OBJECTIVES", "VAE", "Objective", "SoftIntroVAE"]
