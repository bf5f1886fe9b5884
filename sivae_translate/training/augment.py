"""Augmentation on the device: kornia, on batches of float images."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sivae_translate.types import Batch

PROPORTIONS = 0.12  # a side of a synthetic domain's image is exp(-.12) to exp(.12) times as long
DOMAIN_AUG_ENDS = 0.8  # of the budget: the last fifth is for the real domains
WARP_FALLS, WARP_ENDS = 0.2, 0.4  # of the budget: full strength up to the first, none from the second on


def augment(
    batch: Batch, progress: float, generator: torch.Generator, *, domain_aug: float, encoder_warp: float
) -> Batch:
    """A batch with some pairs of synthetic domains (`synthesise_domains`), warped for the encoder (`warp_for_encoder`).

    Both schedules are fixed shares of the budget: `DOMAIN_AUG_ENDS`, `WARP_FALLS`, `WARP_ENDS`.

    Args:
        batch: images `[B, 3, H, W]` in [0, 1], in pairs.
        progress: in [0, 1], of the budget.
        domain_aug: probability, 0..1, that a pair becomes one of a synthetic domain.
        encoder_warp: strength of the warp along each axis, 0..0.5; see `warp_axes`.
    """
    if domain_aug and progress < DOMAIN_AUG_ENDS:
        batch = synthesise_domains(batch, generator, domain_aug)
    strength = encoder_warp * min(1.0, (WARP_ENDS - progress) / (WARP_ENDS - WARP_FALLS))
    return warp_for_encoder(batch, generator, strength) if strength > 0 else batch


def synthesise_domains(batch: Batch, generator: torch.Generator, probability: float) -> Batch:
    """Recolour and rescale some pairs into synthetic new domains, both images of a pair alike.

    The styles of a hundred domains lie far apart, and the decoder has never drawn one between them: an unseen domain
    comes out as one it knows. Synthetic domains fill the gaps. Their label is -1, no known domain.
    """
    pairs = len(batch) // 2

    def both(values: Tensor) -> Tensor:
        return (values * varied.view(-1, *[1] * (values.dim() - 1))).repeat_interleave(2, 0)

    varied = uniform(batch, generator, pairs) < probability
    angle = both((uniform(batch, generator, pairs) * 2 - 1) * math.pi)
    sides = both((uniform(batch, generator, pairs, 2) * 2 - 1) * PROPORTIONS)
    chosen, images = both(varied), batch.images.clone()
    if bool(chosen.any()):
        scaled = warp_axes(images[chosen], torch.cat([3 * sides, torch.zeros_like(sides)], 1)[chosen])
        images[chosen] = turn_hue(scaled, angle[chosen])
    return Batch(images, batch.domains.masked_fill(chosen, -1))


def warp_for_encoder(batch: Batch, generator: torch.Generator, warp: float) -> Batch:
    """Warp the encoder's input, each row in its own way; the decoder's target stays the image itself.

    Where two domains differ in their outlines, a view of one may look most like another view of the other (a pickup
    from behind like a sedan from the front). Their contents then pair off wrongly, early and for good. Warped outlines
    carry no pose, so smaller parts decide the pairing. It holds after the warp has ended.
    """
    amounts = (uniform(batch, generator, len(batch), 4) * 2 - 1) * warp
    return Batch(warp_axes(batch.images, amounts), batch.domains, batch.images)


def turn_hue(images: Tensor, angle: Tensor) -> Tensor:
    """Images `[B, 3, H, W]` with the hue rotated by `angle` `[B]`, in radians. Grey stays grey."""
    from kornia.enhance import adjust_hue

    turned: Tensor = adjust_hue(images, angle)
    return turned


def warp_axes(images: Tensor, amounts: Tensor) -> Tensor:
    """Images `[B, 3, H, W]` resampled along both axes by x -> x exp(-b / 3) + b' (1 - x^2), x in [-1, 1].

    `amounts` `[B, 4]` holds b and b' of both axes: the first scales the picture, the second shifts its middle while its
    ends stay, which moves the parts of an object against each other. The border is mirrored.
    """
    from kornia.geometry.transform import remap

    side = images.shape[-1]
    line = (torch.arange(side, device=images.device) + 0.5) / side * 2 - 1
    scale, shift = torch.exp(-amounts[:, :2, None] / 3), amounts[:, 2:, None]
    x, y = (line * scale + shift * (1 - line.square())).unbind(1)
    grids = x[:, None, :].expand(-1, side, side), y[:, :, None].expand(-1, side, side)
    warped: Tensor = remap(images, *grids, padding_mode="reflection", align_corners=False, normalized_coordinates=True)
    return warped.contiguous(memory_format=torch.channels_last)


def uniform(batch: Batch, generator: torch.Generator, *shape: int) -> Tensor:
    """In [0, 1), on the batch's device."""
    return torch.rand(shape, generator=generator, device=batch.images.device)
