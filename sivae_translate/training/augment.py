"""Augmentation on the device: kornia, on batches of float images."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sivae_translate.types import Batch


def restyle(batch: Batch, generator: torch.Generator, *, hue: float, scale: float) -> Batch:
    """Give every row a look of its own, which its content must not know and its style must tell.

    The row's content is decoded under its partner's style, so what it must become is the same picture in its
    *partner's* look: `Batch.restyled`. Both networks learn from new domains at no cost of theirs, and whatever a look
    changes is driven out of the content.

    Args:
        batch: images `[B, 3, H, W]` in [0, 1], in pairs.
        hue: chance that a row's hue is turned by any angle, 0..1; it is then of no known domain (-1). Grey stays grey.
        scale: each axis is scaled by exp(u), u uniform in -scale..scale; the border is mirrored.
    """
    if hue == 0 and scale == 0:
        return batch

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=batch.images.device)

    rows = len(batch)
    turned = uniform(rows) < hue
    angle = torch.where(turned, uniform(rows) * 2 * math.pi - math.pi, 0)
    factor = torch.exp((uniform(rows, 2) * 2 - 1) * scale)
    images = look(batch.images, angle, factor)
    partner = torch.arange(rows, device=angle.device).view(-1, 2).flip(1).flatten()
    restyled = look(batch.images, angle[partner], factor[partner])
    return Batch(images, batch.domains.masked_fill(turned, -1), restyled)


def look(images: Tensor, angle: Tensor, factor: Tensor) -> Tensor:
    """Images `[B, 3, H, W]`, hue turned by `angle` `[B]` radians, scaled about the centre by `factor` `[B, 2]`."""
    from kornia.enhance import adjust_hue
    from kornia.geometry.transform import scale

    if bool(angle.any()):
        turned = angle != 0
        images = images.clone()
        images[turned] = adjust_hue(images[turned], angle[turned])
    if bool((factor != 1).any()):
        images = scale(images, factor, padding_mode="reflection")
    return images.contiguous(memory_format=torch.channels_last)
