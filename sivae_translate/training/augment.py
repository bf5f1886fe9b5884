"""Augmentation on the device: kornia, on batches of float images."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sivae_translate.types import Batch


def restyle(
    batch: Batch, progress: float, generator: torch.Generator, *, hue: float, warp: float, until: float
) -> Batch:
    """Show the encoder every row in a way of its own, which its content must not know.

    Hue: a row is seen turned, and as its content is decoded under its partner's style, what it must become is the same
    picture in its *partner's* hue. Content learns to leave hue to style, and both learn from domains that are not
    there.

    Warp: a row is seen bent, and must become the straight picture. Where two domains differ in their outlines, a view
    of one may look most like quite another view of the other (a pickup from behind like a sedan from the front), and
    their contents pair off wrongly, early on and for good: turned around they serve each domain as well. Bent outlines
    tell nothing, so that smaller signs decide. What was decided holds, and the warp dies away.

    Args:
        batch: images `[B, 3, H, W]` in [0, 1], in pairs.
        progress: in [0, 1], of the budget.
        hue: chance that a row's hue is turned by any angle, 0..1; it is then of no known domain (-1). Grey stays grey.
        warp: how far each axis is bent, see `bend`.
        until: progress at which images are straight, in (0, 1]; from its half on they are bent less and less.

    Returns:
        What the encoder sees, with what it must become in `restyled`.
    """
    warp *= max(0.0, min(1.0, 2 - 2 * progress / until))
    if hue == 0 and warp == 0:
        return batch

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=batch.images.device)

    rows, images, restyled = len(batch), batch.images, batch.images
    turned = uniform(rows) < hue
    angle = torch.where(turned, (uniform(rows) * 2 - 1) * math.pi, 0)
    bent = (uniform(rows, 4) * 2 - 1) * warp
    if hue:
        partner = torch.arange(rows, device=angle.device).view(-1, 2).flip(1).flatten()
        images, restyled = turn_hue(images, angle), turn_hue(images, angle[partner])
    if warp:
        images = bend(images, bent)
    return Batch(images, batch.domains.masked_fill(turned, -1), restyled)


def turn_hue(images: Tensor, angle: Tensor) -> Tensor:
    """Images `[B, 3, H, W]` with the hue turned by `angle` `[B]`, in radians."""
    from kornia.enhance import adjust_hue

    turned = angle != 0
    if bool(turned.any()):
        images = images.clone()
        images[turned] = adjust_hue(images[turned], angle[turned])
    return images


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
