"""Augmentation on the device: kornia, on batches of float images."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sivae_translate.types import Batch


def recolour(batch: Batch, generator: torch.Generator, chance: float) -> Batch:
    """Rotate the hue of a share of the pairs, both rows by one angle: new domains, of no known label (-1).

    Grey stays grey, so a white ground stays white. With few domains this is what teaches the style encoder colours
    that no domain has.

    Args:
        batch: images `[B, 3, H, W]` in [0, 1], in pairs.
        chance: share of the pairs, 0..1.
    """
    if chance == 0:
        return batch
    from kornia.enhance import adjust_hue

    pairs, device = len(batch) // 2, batch.images.device

    def draw() -> Tensor:
        return torch.rand(pairs, generator=generator, device=device).repeat_interleave(2)

    chosen, angle = draw() < chance, draw() * 2 * math.pi - math.pi
    images = batch.images.clone()
    images[chosen] = adjust_hue(images[chosen], angle[chosen])
    return Batch(images, batch.domains.masked_fill(chosen, -1))
