"""Augmentation on the device: kornia, on batches of float images."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sivae_translate.objectives.sampling import uniform, uniform_by_pair
from sivae_translate.types import Batch

MAX_LOG_SCALE = 0.12  # in a synthetic domain, each side is scaled by exp(-0.12) to exp(0.12)
DOMAIN_AUG_END = 0.8  # fraction of the budget; afterwards all pairs are of real domains
WARP_DECAY, WARP_END = 0.2, 0.4  # fractions of the budget between which the warp's strength falls linearly to 0


def augment_batch(
    batch: Batch, progress: float, generator: torch.Generator, *, domain_aug: float, encoder_warp: float
) -> Batch:
    """Apply domain augmentation, then the encoder warp, on schedules in fractions of the budget.

    Args:
        batch: images `[B, 3, H, W]` in [0, 1], in pairs.
        progress: fraction of the budget that is spent, in [0, 1].
        generator: the only source of randomness, on the batch's device.
        domain_aug: probability that a pair becomes one of a synthetic domain, 0..1; see `synthesise_domains`.
        encoder_warp: strength of the warp along each axis, 0..0.5; see `warp_for_encoder`.
    """
    if domain_aug and progress < DOMAIN_AUG_END:
        batch = synthesise_domains(batch, generator, domain_aug)
    strength = encoder_warp * min(1.0, (WARP_END - progress) / (WARP_END - WARP_DECAY))
    return warp_for_encoder(batch, generator, strength) if strength > 0 else batch


def synthesise_domains(batch: Batch, generator: torch.Generator, probability: float) -> Batch:
    """Domain augmentation: recolour and rescale some pairs, both images alike, into synthetic new domains.

    The styles of the training domains are sparse, and a decoder trained on them alone renders an unseen domain like a
    training domain. Synthetic domains fill the style space. Their label is -1, for no known domain.
    """
    pairs = len(batch) // 2
    chosen = uniform_by_pair((pairs,), generator) < probability
    angle = (uniform_by_pair((pairs,), generator) * 2 - 1) * math.pi
    log_scale = (uniform_by_pair((pairs, 2), generator) * 2 - 1) * MAX_LOG_SCALE
    amounts = torch.cat([3 * log_scale, torch.zeros_like(log_scale)], 1)
    chosen, angle, amounts = (values.repeat_interleave(2, 0) for values in (chosen, angle, amounts))
    return Batch(recolour(batch.images, chosen, angle, amounts), batch.domains.masked_fill(chosen, -1))


def recolour(images: Tensor, chosen: Tensor, angle: Tensor, amounts: Tensor) -> Tensor:
    """A copy of images `[B, 3, H, W]` whose `chosen` rows, bool `[B]`, are warped and then have their hue rotated.

    Args:
        angle, amounts: see `rotate_hue` and `warp_axes`.
    """
    if images.device.type != "cpu":  # to select rows would wait for the device, which changes them all in less time
        return torch.where(chosen[:, None, None, None], rotate_hue(warp_axes(images, amounts), angle), images)
    images = images.clone()
    if bool(chosen.any()):
        images[chosen] = rotate_hue(warp_axes(images[chosen], amounts[chosen]), angle[chosen])
    return images


def warp_for_encoder(batch: Batch, generator: torch.Generator, strength: float) -> Batch:
    """Encoder warp: spatial augmentation of the encoder's input, drawn per image. The targets stay unwarped.

    Different poses of two domains can have similar outlines, such as the rear of a pickup and the front of a sedan. The
    encoder then learns the same content for both, early and permanently. A warped outline does not determine the pose,
    so the encoder learns to use finer details.
    """
    amounts = (uniform((len(batch), 4), generator) * 2 - 1) * strength
    return Batch(warp_axes(batch.images, amounts), batch.domains, batch.images)


def rotate_hue(images: Tensor, angle: Tensor) -> Tensor:
    """Images `[B, 3, H, W]` with their hue rotated by `angle` `[B]`, in radians. Grey pixels stay as they are."""
    from kornia.enhance import adjust_hue

    rotated: Tensor = adjust_hue(images, angle)
    return rotated


def warp_axes(images: Tensor, amounts: Tensor) -> Tensor:
    """Images `[B, 3, H, W]` resampled along each axis at x exp(-b / 3) + b' (1 - x^2) for x in [-1, 1].

    b scales the image. b' shifts the middle while the ends stay, which changes the proportions of an object. The border
    is mirrored.

    Args:
        images: in [0, 1].
        amounts: `[B, 4]`; b of the horizontal and the vertical axis, then b' of both.
    """
    from kornia.geometry.transform import remap

    side = images.shape[-1]
    line = (torch.arange(side, device=images.device) + 0.5) / side * 2 - 1
    scale, shift = torch.exp(-amounts[:, :2, None] / 3), amounts[:, 2:, None]
    x, y = (line * scale + shift * (1 - line.square())).unbind(1)
    grids = x[:, None, :].expand(-1, side, side), y[:, :, None].expand(-1, side, side)
    warped: Tensor = remap(images, *grids, padding_mode="reflection", align_corners=False, normalized_coordinates=True)
    return warped.contiguous(memory_format=torch.channels_last)
