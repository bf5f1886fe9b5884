"""The parts of a run, each by itself."""

from __future__ import annotations

import math

import torch

from sivae_translate.training.augment import augment, bend
from sivae_translate.types import Batch


def coloured_batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(8, 3, 4, 4, generator=generator)
    images[:, :, 0] = 1.0  # a white row
    return Batch(images, torch.arange(4).repeat_interleave(2))


def augmented(batch: Batch, domain_aug: float, encoder_warp: float, progress: float = 0.0) -> Batch:
    return augment(batch, progress, torch.Generator().manual_seed(1), domain_aug=domain_aug, encoder_warp=encoder_warp)


def bar() -> Batch:
    images = torch.ones(8, 3, 32, 32)
    images[:, :, 12:20, 8:24] = 0.0
    return Batch(images, torch.arange(4).repeat_interleave(2))


def test_both_images_of_a_varied_pair_have_the_same_hue_and_proportions() -> None:
    batch = coloured_batch()
    same = Batch(batch.images[::2].repeat_interleave(2, 0), batch.domains)  # pairs of one image
    varied = augmented(same, 1.0, 0.0)
    torch.testing.assert_close(varied.images[0::2], varied.images[1::2])
    assert (varied.images - same.images).abs().amax((1, 2, 3)).min() > 0.01
    assert varied.domains.tolist() == [-1] * 8
    assert varied.targets is varied.images


def test_variants_spare_white_and_differ_from_each_other_in_size() -> None:
    varied = augmented(bar(), 1.0, 0.0)
    torch.testing.assert_close(varied.images[:, :, 0], bar().images[:, :, 0])  # the ground stays white
    widths = (1 - varied.images[::2, 0, 16]).sum(1)  # of a bar 16 pixels wide
    assert widths.std() > 0.3 and 16 * math.exp(-0.13) < widths.min() and widths.max() < 16 * math.exp(0.13)


def test_pairs_that_are_not_varied_are_left_alone() -> None:
    batch = coloured_batch()
    varied = augmented(batch, 0.5, 0.0)
    kept = varied.domains >= 0
    assert 0 < kept.sum() < 8 and torch.equal(kept[::2], kept[1::2])
    assert torch.equal(varied.images[kept], batch.images[kept])
    assert torch.equal(varied.domains[kept], batch.domains[kept])


def test_the_last_fifth_is_for_the_domains_that_are_there() -> None:
    batch = coloured_batch()
    assert augmented(batch, 1.0, 0.0, 0.79) is not batch
    assert augmented(batch, 1.0, 0.0, 0.8) is batch


def test_a_bent_variant_must_become_straight() -> None:
    batch = coloured_batch()
    bent, both = augmented(batch, 0.0, 0.5), augmented(batch, 1.0, 0.5)
    assert (bent.images - batch.images).abs().amax((1, 2, 3)).min() > 0.01
    assert torch.equal(bent.targets, batch.images)
    assert torch.equal(both.targets, augmented(batch, 1.0, 0.0).images)


def test_warping_moves_the_object_within_its_frame_and_keeps_its_domain() -> None:
    batch = bar()
    warped = augmented(batch, 0.0, 0.4)
    assert torch.equal(warped.domains, batch.domains)
    torch.testing.assert_close(warped.images[:, :, 0], batch.images[:, :, 0])  # the ground stays white
    columns = torch.arange(32) + 0.5
    centres = ((1 - warped.images[:, 0]).sum(1) * columns).sum(1) / (1 - warped.images[:, 0]).sum((1, 2))
    assert centres.std() > 1
    areas = (1 - warped.images).sum((1, 2, 3)) / (1 - batch.images).sum((1, 2, 3))
    assert 0.4 < areas.min() < areas.max() < 2.5


def test_bending_by_hand() -> None:
    ramp = ((torch.arange(8) + 0.5) / 8).view(1, 1, 1, 8).expand(1, 3, 8, 8)
    bent = bend(ramp, torch.tensor([[3 * math.log(2), 0.0, 0.0, 0.0]]))  # twice as wide
    x = (torch.arange(8) + 0.5) / 8
    torch.testing.assert_close(bent[0, 0, 0], 0.5 + (x - 0.5) / 2)
    shifted = bend(ramp, torch.tensor([[0.0, 0.0, 0.25, 0.0]]))
    torch.testing.assert_close(shifted[0, 0, 0, 3:5].mean(), torch.tensor(0.5 + 0.125), rtol=0, atol=2e-3)


def test_warping_dies_away_and_is_gone_when_it_should_be() -> None:
    batch = bar()
    first, half, late = ((augmented(batch, 0.0, 0.4, at).images - batch.images).abs().sum() for at in (0, 0.25, 0.4))
    assert first == half > late > 0
    assert augmented(batch, 0.0, 0.4, 0.5) is batch


def test_without_augmentation_targets_are_the_images() -> None:
    batch = coloured_batch()
    assert augmented(batch, 0.0, 0.0) is batch
    assert batch.targets is batch.images
