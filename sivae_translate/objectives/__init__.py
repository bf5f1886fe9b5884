"""The objectives by their names in recipes.

Objectives differ in the encoder's adversarial term for generated images. `vae` has none, `introvae` a hinge on the KL,
and `soft-introvae` the exponential of the ELBO. `bootstrap` has that exponential with a slow copy of the decoder. The
keyword arguments of a constructor are the keys of [objective].
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
