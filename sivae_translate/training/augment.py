"""Augmentation on the device: kornia, on batches of float images."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sivae_translate.types import Batch

MAX_LOG_SCALE = 0.12  # each side of a synthetic domain's images is scaled by exp(-0.12) to exp(0.12)
DOMAIN_AUG_END = 0.8  # of the budget; after it, all pairs are of real domains
WARP_DECAY, WARP_END = 0.2, 0.4  # of the budget: full strength before the first, linear decay to zero at the second


def augment_batch(
    batch: Batch, progress: float, generator: torch.Generator, *, domain_aug: float, encoder_warp: float
) -> Batch:
    """Augment the domains of a batch, then warp the encoder's input, on schedules fixed in fractions of the budget.

    Args:
        batch: images `[B, 3, H, W]` in [0, 1], in pairs.
        progress: fraction of the budget that is used, 0..1.
        generator: source of every draw, on the batch's device.
        domain_aug: probability, 0..1, that a pair becomes one of a synthetic domain; see `synthesise_domains`.
        encoder_warp: strength of the warp along each axis, 0..0.5; see `warp_for_encoder`.
    """
    if domain_aug and progress < DOMAIN_AUG_END:
        batch = synthesise_domains(batch, generator, domain_aug)
    strength = encoder_warp * min(1.0, (WARP_END - progress) / (WARP_END - WARP_DECAY))
    return warp_for_encoder(batch, generator, strength) if strength > 0 else batch


def synthesise_domains(batch: Batch, generator: torch.Generator, probability: float) -> Batch:
    """Domain augmentation: recolour and rescale some pairs into synthetic new domains, both images of a pair alike.

    The styles of a hundred domains lie far apart, and the decoder is never trained between them: it would render an
    unseen domain as a known one. Synthetic domains fill the gaps. Their label is -1, which stands for no known domain.
    """
    pairs = len(batch) // 2
    chosen = uniform(batch, generator, pairs) < probability
    angle = (uniform(batch, generator, pairs) * 2 - 1) * math.pi
    log_scale = (uniform(batch, generator, pairs, 2) * 2 - 1) * MAX_LOG_SCALE
    amounts = torch.cat([3 * log_scale, torch.zeros_like(log_scale)], 1)
    chosen, angle, amounts = (values.repeat_interleave(2, 0) for values in (chosen, angle, amounts))
    images = batch.images.clone()
    if bool(chosen.any()):
        images[chosen] = rotate_hue(warp_axes(images[chosen], amounts[chosen]), angle[chosen])
    return Batch(images, batch.domains.masked_fill(chosen, -1))


def warp_for_encoder(batch: Batch, generator: torch.Generator, strength: float) -> Batch:
    """Warp the encoder's input, each image by its own draw; the decoder's target stays the unwarped image.

    Where domains differ in outline, a view of one may resemble another view of the other most, such as a pickup from
    behind a sedan from the front. Their contents are then matched wrongly, early in training and for good. A warped
    outline does not tell the pose, so finer details decide the match, also after the warp has ended.
    """
    amounts = (uniform(batch, generator, len(batch), 4) * 2 - 1) * strength
    return Batch(warp_axes(batch.images, amounts), batch.domains, batch.images)


def rotate_hue(images: Tensor, angle: Tensor) -> Tensor:
    """Images `[B, 3, H, W]` with their hue rotated by `angle` `[B]`, in radians. Grey pixels stay as they are."""
    from kornia.enhance import adjust_hue

    rotated: Tensor = adjust_hue(images, angle)
    return rotated


def warp_axes(images: Tensor, amounts: Tensor) -> Tensor:
    """Images `[B, 3, H, W]` resampled along each axis at x exp(-b / 3) + b' (1 - x^2) for x in [-1, 1].

    b scales the image. b' shifts its middle while its ends stay, so that the parts of an object move against each
    other. The border is mirrored.

    Args:
        images: in [0, 1].
        amounts: `[B, 4]`: b of the horizontal and the vertical axis, then b' of both.
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
    """Uniform draws in [0, 1) of this shape, on the batch's device."""
    return torch.rand(shape, generator=generator, device=batch.images.device)
