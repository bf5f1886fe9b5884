"""The encoder: from an image to features, and from features to a Gaussian."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sivae_translate.models.layers import Norm, ResidualBlock, activation, group_norm
from sivae_translate.types import Gaussian, at_least_float32

BASE = 4  # side of the coarsest features

# Variances beyond these bounds are effectively 0 or infinite. Without bounds, exp(logvar) overflows for outliers.
LOGVAR_MIN, LOGVAR_MAX = -10.0, 10.0


def level_widths(size: int, patch: int, width: int, max_width: int) -> list[int]:
    """Channels from the finest level (size / patch pixels) to the coarsest (4 pixels), doubling up to `max_width`."""
    levels = (size // patch // BASE).bit_length()
    return [min(width * 2**level, max_width) for level in range(levels)]


class GaussianHead(nn.Module):
    """Features to a diagonal Gaussian; its variance is learned, or fixed at 1 (`learned_variance` False)."""

    def __init__(self, layer: nn.Module, learned_variance: bool) -> None:
        super().__init__()
        self.layer = layer
        self.learned_variance = learned_variance

    def forward(self, h: Tensor) -> Gaussian:
        y = at_least_float32(self.layer(h))
        if not self.learned_variance:
            return Gaussian(y, torch.zeros_like(y))
        mean, logvar = y.chunk(2, dim=1)
        return Gaussian(mean, within_bounds(logvar))


def within_bounds(logvar: Tensor) -> Tensor:
    """Log-variances clamped to the bounds, with a straight-through gradient, so that values can return."""
    return logvar.clamp(LOGVAR_MIN, LOGVAR_MAX).detach() + (logvar - logvar.detach())


class Encoder(nn.Module):
    """Stem, then per level an average pool and a residual block, down to 4 x 4 (Daniel & Tamar 2021, appendix).

    Args:
        size: side of the images in pixels.
        patch: side in pixels of the patches folded into channels first. Patch 2 halves the time of a step on a CPU.
        widths: channels per level, finest first.
        channels: of the images.
        norm: makes the normalisation layers.
    """

    def __init__(self, size: int, patch: int, widths: list[int], *, channels: int = 3, norm: Norm = group_norm) -> None:
        super().__init__()
        self.patch = patch
        kernel = 5 if patch == 1 else 3
        self.stem = nn.Conv2d(channels * patch**2, widths[0], kernel, padding=kernel // 2)
        self.blocks = nn.ModuleList(ResidualBlock(a, b, norm) for a, b in pairwise(widths))
        self.resolutions = [size // patch >> level for level in range(len(widths))]

    def forward(self, x: Tensor) -> dict[int, Tensor]:
        """`[B, channels, H, W]` -> features `[B, C, r, r]` by resolution r, finest first."""
        h = activation(self.stem(F.pixel_unshuffle(x, self.patch)))
        features = {self.resolutions[0]: h}
        for resolution, block in zip(self.resolutions[1:], self.blocks, strict=True):
            h = features[resolution] = block(F.avg_pool2d(h, 2))
        return features
