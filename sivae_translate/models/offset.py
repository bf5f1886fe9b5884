"""What content alone tells of a style: the share that is to be taken off."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

FEATURES = 1024
REACH = 4.0  # of the kernel, in deviations of a content's posterior
PENALTIES = tuple(10.0**power for power in range(-3, 3))


class ContentOffset(nn.Module):
    """E[mu_s - m_d | c]: how far the style read from an image lies from its domain's, as its content foretells.

    An encoder reads a style a little differently from each pose. The decoder is blind to it, below the posterior's
    noise, but a reader of the means is not. It is erased in closed form, as concepts are from representations
    (Belrose et al. 2023, arXiv:2306.03819) with the content in the place of labels, and not linearly: ridge regression
    on F random features of a Gaussian kernel (Rahimi & Recht 2007). Until it is fitted it is 0.

    Args:
        content: K, dimensions of the content, a vector.
        style: S, dimensions of the style.
    """

    frequencies: Tensor
    phases: Tensor
    weights: Tensor

    def __init__(self, content: int, style: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("frequencies", torch.randn(content, FEATURES, generator=generator) / REACH)
        self.register_buffer("phases", 2 * math.pi * torch.rand(FEATURES, generator=generator))
        self.register_buffer("weights", torch.zeros(FEATURES, style))

    def forward(self, content: Tensor) -> Tensor:
        """Means of contents `[B, K]` -> offsets of their styles, `[B, S]`."""
        with torch.autocast(content.device.type, enabled=False):
            return self.features(content) @ self.weights

    def features(self, content: Tensor) -> Tensor:
        """`[B, K]` -> `[B, F]`, of length about 1."""
        return math.sqrt(2 / FEATURES) * torch.cos(content.float() @ self.frequencies + self.phases)

    @torch.no_grad()
    def fit(self, content: Tensor, deviations: Tensor) -> None:
        """Learn the offsets of images, with the penalty that foretells each best from all others; where none is better
        than 0, it stays 0.

        Args:
            content: means, `[B, K]`.
            deviations: of their styles' means from those of their domains, `[B, S]`.
        """
        features, wanted = self.features(content).cpu().double(), deviations.cpu().double()
        values, vectors = torch.linalg.eigh(features.T @ features)
        turned = features @ vectors
        least, weights = wanted.square().sum(), torch.zeros_like(self.weights)
        for penalty in PENALTIES:
            inverse = 1 / (values.clamp(min=0) + penalty)
            solution = inverse[:, None] * (turned.T @ wanted)
            leverage = (turned.square() @ inverse)[:, None]
            left_out = (wanted - turned @ solution) / (1 - leverage)  # the errors of fits without the image itself
            if (error := left_out.square().sum()) < least:
                least, weights = error, (vectors @ solution).to(weights)
        self.weights.copy_(weights)
