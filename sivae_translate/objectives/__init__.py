"""The objectives, by the name a recipe calls them.

They differ in the encoder's adversarial term for generated images: none, a hinge on their KL, the exponential of their
ELBO, and that exponential under a slow decoder. A constructor's keyword arguments are the recipe's keys.
"""

from __future__ import annotations

from collections.abc import Callable

from sivae_translate.objectives import bootstrap, introvae, soft_introvae, vae
from sivae_translate.types import Objective

OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "vae": vae.vae,
    "introvae": introvae.introvae,
    "soft-introvae": soft_introvae.soft_introvae,
    "bootstrap": bootstrap.bootstrap,
}
