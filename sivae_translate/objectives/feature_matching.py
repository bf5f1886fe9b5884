"""Feature matching: the error of reconstructions in the features of the encoder, which is the critic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sivae_translate.objectives.functional import feature_error
from sivae_translate.types import Model


@dataclass(frozen=True)
class FeatureMatching:
    """The decoder's term weight L_f; see `feature_error`.

    VAE/GAN introduced a similarity learned by a critic (Larsen et al. 2016, arXiv:1512.09300).

    Attributes:
        weight: >= 0.
    """

    weight: float

    def __post_init__(self) -> None:
        if self.weight < 0:
            raise ValueError("feature_matching: must be >= 0")

    def __call__(self, model: Model, target: Tensor, features: Mapping[int, Tensor]) -> Tensor | float:
        """weight L_f, a scalar.

        Args:
            target: the images, `[n, C, H, W]`.
            features: of fakes; the first n rows are reconstructions of `target`.
        """
        if not self.weight:
            return 0.0
        with torch.no_grad():
            wanted = model.features(target)
        made = {resolution: h[: len(target)] for resolution, h in features.items()}
        return self.weight * feature_error(wanted, made).mean()
