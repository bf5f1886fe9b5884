"""The four distributions, against their definitions."""

from __future__ import annotations

import math

import pytest
import torch

from sivae_translate.toy.datasets import DATASETS, RADIUS, SPREAD, eight_centres

N = 40_000


def points(name: str, n: int = N, seed: int = 0) -> torch.Tensor:
    return DATASETS[name].sample(n, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", DATASETS)
@pytest.mark.parametrize("n", [0, 1, 7])
def test_a_sample_has_the_given_number_of_points(name: str, n: int) -> None:
    assert points(name, n).shape == (n, 2)
    assert points(name, n).dtype == torch.float32


@pytest.mark.parametrize("name", DATASETS)
def test_points_depend_on_the_generator_alone(name: str) -> None:
    torch.manual_seed(1)
    first = points(name, 10)
    torch.manual_seed(2)
    assert torch.equal(points(name, 10), first)
    assert not torch.equal(points(name, 10, seed=1), first)


@pytest.mark.parametrize("name", DATASETS)
def test_points_are_centred_and_within_reach(name: str) -> None:
    x, reach = points(name), DATASETS[name].reach
    assert x.abs().max() < reach + 0.01
    assert x.abs().max() > 0.7 * reach
    assert x.mean(0).abs().max() < 0.05


def test_eight_gaussians_have_their_centres_and_spread() -> None:
    x = points("8-gaussians")
    distance, nearest = torch.cdist(x, eight_centres()).min(1)
    assert distance.square().mean().item() == pytest.approx(2 * SPREAD**2, rel=0.03)
    assert torch.bincount(nearest, minlength=8).tolist() == pytest.approx([N / 8] * 8, rel=0.05)
    assert eight_centres().norm(dim=1).tolist() == pytest.approx([RADIUS] * 8)


def test_the_density_of_eight_gaussians_by_hand() -> None:
    log_density = DATASETS["8-gaussians"].log_density
    peak = 1 / (8 * 2 * math.pi * SPREAD**2)
    assert log_density is not None
    centre = eight_centres()[2:3]
    assert log_density(centre).item() == pytest.approx(math.log(peak), abs=1e-4)
    assert log_density(centre + torch.tensor([[SPREAD, 0.0]])).item() == pytest.approx(math.log(peak) - 0.5, abs=1e-3)
    entropy = math.log(8) + 1 + math.log(2 * math.pi * SPREAD**2)  # they hardly overlap
    assert -log_density(points("8-gaussians")).mean().item() == pytest.approx(entropy, abs=0.02)


def test_the_checkerboard_leaves_every_other_square_empty() -> None:
    x = points("checkerboard")
    column, row = (x / 2).floor().unbind(1)
    assert ((column + row) % 2 == 0).all()
    assert torch.unique(column * 4 + row).numel() == 8
    assert x.var(0).tolist() == pytest.approx([16 / 3] * 2, rel=0.03)


def test_a_quarter_of_the_points_is_on_each_ring() -> None:
    radius = points("rings").norm(dim=1)
    ring = (radius / 0.75).round().clamp(1, 4)
    assert torch.bincount(ring.long(), minlength=5).tolist() == pytest.approx([0] + [N / 4] * 4, rel=0.05)
    assert (radius - 0.75 * ring).std().item() == pytest.approx(0.08, rel=0.05)


def test_the_two_arms_of_the_spirals_are_point_symmetric() -> None:
    x = points("spirals")
    angle = torch.linspace(0, 3 * math.pi, 1000)
    arm = torch.stack([-angle.cos() * angle, angle.sin() * angle], 1) / 3 + 0.25 / 3
    first, second = (torch.cdist(x, way).amin(1) for way in (arm, -arm))
    assert torch.minimum(first, second).max() < 0.6  # five times the noise
    assert (first < second).float().mean().item() == pytest.approx(0.5, abs=0.02)
