"""The objectives by their names in recipes.

Objectives differ in the encoder's adversarial term for generated images. `vae` has none, `introvae` a hinge on the KL,
and `soft-introvae` the exponential of the ELBO. `bootstrap` has that exponential with a slow copy of the decoder, and
`iterative-back-translation` has no adversarial term. The keyword arguments of a constructor are the keys of
[objective]. Packages add objectives by the entry points `sivae_translate.objectives`.
"""

from __future__ import annotations

from collections.abc import Callable

from sivae_translate.objectives import bootstrap, introvae, iterative_back_translation, soft_introvae, vae
from sivae_translate.plugins import Table
from sivae_translate.types import Objective

OBJECTIVES: Table[Callable[..., Objective]] = Table(
    "sivae_translate.objectives",
    {
        "vae": vae.vae,
        "introvae": introvae.introvae,
        "soft-introvae": soft_introvae.soft_introvae,
        "bootstrap": bootstrap.bootstrap,
        "iterative-back-translation": iterative_back_translation.iterative_back_translation,
    },
    callable,
    "a function or a class that returns an objective, as in sivae_translate.types",
)
