"""Augmentation on the device: kornia, on batches of float images."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sivae_translate.types import Batch

PROPORTIONS = 0.12  # a side of a variant is exp(-.12) to exp(.12) times as long
VARIED = 0.8  # of the budget: the last fifth is for the domains that are there


def augment(
    batch: Batch, progress: float, generator: torch.Generator, *, variants: float, warp: float, until: float
) -> Batch:
    """A batch with some pairs of domains that are not there (see `vary`), and bent at first (see `warp_for_encoder`).

    Args:
        batch: images `[B, 3, H, W]` in [0, 1], in pairs.
        progress: in [0, 1], of the budget.
        variants: chance of a pair to be varied, 0..1, up to a progress of `VARIED`.
        warp: how far each axis is bent, see `bend`.
        until: progress at which images are straight, in (0, 1]; from its half on they are bent less and less.
    """
    batch = vary(batch, generator, variants) if variants and progress < VARIED else batch
    warp *= max(0.0, min(1.0, 2 - 2 * progress / until))
    return warp_for_encoder(batch, generator, warp) if warp else batch


def vary(batch: Batch, generator: torch.Generator, share: float) -> Batch:
    """Show a share of the pairs as if they were of other domains: in another hue and in other proportions, both images
    alike.

    The styles of a hundred domains lie far apart, and what lies between them the decoder has never drawn: a domain that
    is new comes out as one that it knows. Variants fill the gaps. They are of no known domain (-1).
    """
    pairs = len(batch) // 2

    def both(values: Tensor) -> Tensor:
        return (values * varied.view(-1, *[1] * (values.dim() - 1))).repeat_interleave(2, 0)

    varied = uniform(batch, generator, pairs) < share
    angle = both((uniform(batch, generator, pairs) * 2 - 1) * math.pi)
    sides = both((uniform(batch, generator, pairs, 2) * 2 - 1) * PROPORTIONS)
    chosen, images = both(varied), batch.images.clone()
    if bool(chosen.any()):
        scaled = bend(images[chosen], torch.cat([3 * sides, torch.zeros_like(sides)], 1)[chosen])
        images[chosen] = turn_hue(scaled, angle[chosen])
    return Batch(images, batch.domains.masked_fill(chosen, -1))


def warp_for_encoder(batch: Batch, generator: torch.Generator, warp: float) -> Batch:
    """Show every row bent in a way of its own to the encoder, which must find the code of the straight picture.

    Where two domains differ in their outlines, a view of one may look most like quite another view of the other (a
    pickup from behind like a sedan from the front), and their contents pair off wrongly, early on and for good: turned
    around they serve each domain as well. Bent outlines tell nothing, so that smaller signs decide. What was decided
    holds when the images are straight again.
    """
    bent = (uniform(batch, generator, len(batch), 4) * 2 - 1) * warp
    return Batch(bend(batch.images, bent), batch.domains, batch.images)


def turn_hue(images: Tensor, angle: Tensor) -> Tensor:
    """Images `[B, 3, H, W]` with the hue turned by `angle` `[B]`, in radians. Grey stays grey."""
    from kornia.enhance import adjust_hue

    turned: Tensor = adjust_hue(images, angle)
    return turned


def bend(images: Tensor, bent: Tensor) -> Tensor:
    """Images `[B, 3, H, W]` resampled along both axes by x -> x exp(-b / 3) + b' (1 - x^2), x in [-1, 1].

    `bent` `[B, 4]` holds b and b' of both axes: the first scales the picture, the second shifts its middle while its
    ends stay, which moves the parts of an object against each other. The border is mirrored.
    """
    from kornia.geometry.transform import remap

    side = images.shape[-1]
    line = (torch.arange(side, device=images.device) + 0.5) / side * 2 - 1
    scale, shift = torch.exp(-bent[:, :2, None] / 3), bent[:, 2:, None]
    x, y = (line * scale + shift * (1 - line.square())).unbind(1)
    grids = x[:, None, :].expand(-1, side, side), y[:, :, None].expand(-1, side, side)
    warped: Tensor = remap(images, *grids, padding_mode="reflection", align_corners=False, normalized_coordinates=True)
    return warped.contiguous(memory_format=torch.channels_last)


def uniform(batch: Batch, generator: torch.Generator, *shape: int) -> Tensor:
    """In [0, 1), on the batch's device."""
    return torch.rand(shape, generator=generator, device=batch.images.device)
