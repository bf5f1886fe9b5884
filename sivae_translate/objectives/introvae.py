"""IntroVAE: generated images are adversarial by a hinge on their KL (Huang et al., NeurIPS 2018, arXiv:1807.06358)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sivae_translate.objectives.functional import hinge
from sivae_translate.objectives.introspective import Generated, Introspective
from sivae_translate.objectives.vae import require_positive


@dataclass(frozen=True)
class IntroVAE(Introspective):
    """The game of `Introspective` with

        adversarial(g) = s beta_kl beta_neg mean_kinds max(0, margin - mean_g KL(g))

    The factor s, which the original lacks, leaves the balance of the terms as it is: it multiplies all of them.

    Attributes:
        beta_neg: weight of the hinge relative to the KL of real images; 0.5 at the original's 256 px.
        margin: in nats; generated images whose KL exceeds it are adversarial no further. The game lives between the KL
            of real images and it; 120 at the original's 256 px with 512 latents.
    """

    beta_neg: float = 0.5
    margin: float = 60.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(beta_neg=self.beta_neg, margin=self.margin)

    def adversarial(self, generated: Generated, model: Any, average: Any, generator: torch.Generator) -> Tensor:
        hinges = torch.stack([hinge(kl, self.margin) for kl in generated.kl_by_kind()])
        return generated.scale * self.beta_kl * self.beta_neg * hinges.mean()

    def remedy(self, terms: dict[str, float]) -> str:
        if terms["adversarial"] == 0:
            return f"they are beyond the margin, raise objective.margin (now {self.margin:g})"
        return f"raise objective.beta_neg (now {self.beta_neg:g})"
