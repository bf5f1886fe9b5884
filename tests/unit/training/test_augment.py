"""Augmentation on the device: synthetic domains, and the warp of the encoder's input."""

from __future__ import annotations

import math

import torch

from sivae_translate.training.augment import MAX_LOG_SCALE, augment_batch, rotate_hue, warp_axes
from sivae_translate.types import Batch


def coloured() -> Batch:
    """Four pairs of random images with a white row."""
    images = torch.rand(8, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    images[:, :, 0] = 1.0
    return Batch(images, torch.arange(4).repeat_interleave(2))


def bars() -> Batch:
    """Four pairs of a black bar, 16 pixels wide and 8 high, on white."""
    images = torch.ones(8, 3, 32, 32)
    images[:, :, 12:20, 8:24] = 0.0
    return Batch(images, torch.arange(4).repeat_interleave(2))


def augmented(batch: Batch, domain_aug: float, encoder_warp: float, progress: float = 0.0) -> Batch:
    return augment_batch(
        batch, progress, torch.Generator().manual_seed(1), domain_aug=domain_aug, encoder_warp=encoder_warp
    )


def test_without_augmentation_the_batch_is_the_same_and_its_targets_are_its_images() -> None:
    batch = coloured()
    assert augmented(batch, 0.0, 0.0) is batch
    assert batch.targets is batch.images


def test_both_images_of_a_synthetic_pair_get_the_same_hue_and_scale() -> None:
    batch = coloured()
    same = Batch(batch.images[::2].repeat_interleave(2, 0), batch.domains)  # pairs of one image
    synthetic = augmented(same, 1.0, 0.0)
    torch.testing.assert_close(synthetic.images[0::2], synthetic.images[1::2])
    assert (synthetic.images - same.images).abs().amax((1, 2, 3)).min() > 0.01
    assert synthetic.domains.tolist() == [-1] * 8
    assert synthetic.targets is synthetic.images


def test_synthetic_domains_keep_white_and_differ_in_scale() -> None:
    synthetic = augmented(bars(), 1.0, 0.0)
    torch.testing.assert_close(synthetic.images[:, :, 0], bars().images[:, :, 0])
    widths = (1 - synthetic.images[::2, 0, 16]).sum(1)
    limit = math.exp(MAX_LOG_SCALE + 0.01)
    assert widths.std() > 0.3 and 16 / limit < widths.min() and widths.max() < 16 * limit


def test_pairs_that_stay_real_keep_their_images_and_domains() -> None:
    batch = coloured()
    mixed = augmented(batch, 0.5, 0.0)
    real = mixed.domains >= 0
    assert 0 < real.sum() < 8 and torch.equal(real[::2], real[1::2])
    assert torch.equal(mixed.images[real], batch.images[real])
    assert torch.equal(mixed.domains[real], batch.domains[real])


def test_the_last_fifth_of_the_budget_has_no_synthetic_domains() -> None:
    batch = coloured()
    assert augmented(batch, 1.0, 0.0, 0.79) is not batch
    assert augmented(batch, 1.0, 0.0, 0.8) is batch


def test_the_target_of_a_warped_image_is_the_unwarped_one() -> None:
    batch = coloured()
    warped, both = augmented(batch, 0.0, 0.5), augmented(batch, 1.0, 0.5)
    assert (warped.images - batch.images).abs().amax((1, 2, 3)).min() > 0.01
    assert torch.equal(warped.targets, batch.images)
    assert torch.equal(both.targets, augmented(batch, 1.0, 0.0).images)


def test_the_warp_moves_an_object_within_its_frame_and_keeps_its_domain() -> None:
    batch = bars()
    warped = augmented(batch, 0.0, 0.4)
    assert torch.equal(warped.domains, batch.domains)
    torch.testing.assert_close(warped.images[:, :, 0], batch.images[:, :, 0])  # the background stays white
    columns = torch.arange(32) + 0.5
    centres = ((1 - warped.images[:, 0]).sum(1) * columns).sum(1) / (1 - warped.images[:, 0]).sum((1, 2))
    assert centres.std() > 1
    areas = (1 - warped.images).sum((1, 2, 3)) / (1 - batch.images).sum((1, 2, 3))
    assert 0.4 < areas.min() < areas.max() < 2.5


def test_the_warp_decays_and_ends_at_two_fifths_of_the_budget() -> None:
    batch = bars()
    early, decaying, late = (
        (augmented(batch, 0.0, 0.4, at).images - batch.images).abs().sum() for at in (0.2, 0.25, 0.39)
    )
    assert early == (augmented(batch, 0.0, 0.4).images - batch.images).abs().sum()
    assert early > decaying > late > 0
    assert augmented(batch, 0.0, 0.4, 0.4) is batch


def test_warped_axes_by_hand() -> None:
    ramp = ((torch.arange(8) + 0.5) / 8).view(1, 1, 1, 8).expand(1, 3, 8, 8)
    scaled = warp_axes(ramp, torch.tensor([[3 * math.log(2), 0.0, 0.0, 0.0]]))  # twice as wide
    x = (torch.arange(8) + 0.5) / 8
    torch.testing.assert_close(scaled[0, 0, 0], 0.5 + (x - 0.5) / 2)
    shifted = warp_axes(ramp, torch.tensor([[0.0, 0.0, 0.25, 0.0]]))
    torch.testing.assert_close(shifted[0, 0, 0, 3:5].mean(), torch.tensor(0.5 + 0.125), rtol=0, atol=2e-3)


def test_a_hue_rotation_of_120_degrees_makes_red_green_and_keeps_grey() -> None:
    colours = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.5]]).view(2, 3, 1, 1)
    rotated = rotate_hue(colours, torch.full((2,), 2 * math.pi / 3))
    expected = torch.tensor([[0.0, 1.0, 0.0], [0.5, 0.5, 0.5]])
    torch.testing.assert_close(rotated.flatten(1), expected, rtol=0, atol=1e-4)
