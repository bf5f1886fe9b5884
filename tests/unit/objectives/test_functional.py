"""The equations of the objectives, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Independent, Normal
from torch.distributions import kl_divergence as torch_kl

from sivae_translate.objectives.functional import (
    exponential_elbo,
    feature_error,
    hinge,
    kl_divergence,
    negative_elbo,
    squared_error,
)
from sivae_translate.types import Gaussian

SHAPES = [(4, 7), (4, 2, 3, 3)]


def gaussian(shape: tuple[int, ...], seed: int) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    mean, logvar = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    return Gaussian(mean, logvar)


@pytest.mark.parametrize("shape", SHAPES)
def test_kl_is_zero_at_the_prior_and_positive_elsewhere(shape: tuple[int, ...]) -> None:
    p = gaussian(shape, 0)
    torch.testing.assert_close(kl_divergence(p, p), torch.zeros(4, dtype=torch.float64))
    assert (kl_divergence(gaussian(shape, 1), p) > 0).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_kl_agrees_with_torch_distributions(shape: tuple[int, ...]) -> None:
    q, p = gaussian(shape, 0), gaussian(shape, 1)
    a, b = (Independent(Normal(g.mean, (g.logvar / 2).exp()), len(shape) - 1) for g in (q, p))
    torch.testing.assert_close(kl_divergence(q, p), torch_kl(a, b))


def test_kl_with_unit_variance_is_half_the_squared_mean() -> None:
    q, p = Gaussian(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2)), Gaussian(torch.zeros(1, 2), torch.zeros(1, 2))
    assert kl_divergence(q, p).item() == pytest.approx(12.5)


def test_squared_error_is_summed_over_the_image() -> None:
    x, y = torch.zeros(2, 3, 2, 2), torch.full((2, 3, 2, 2), 0.5)
    assert squared_error(x, y).tolist() == pytest.approx([3.0, 3.0])


@pytest.mark.parametrize(
    ("given", "expected"),
    [(torch.bfloat16, torch.float32), (torch.float32, torch.float32), (torch.float64, torch.float64)],
)
def test_errors_are_in_float32_or_as_wide_as_the_images(given: torch.dtype, expected: torch.dtype) -> None:
    x = torch.zeros(2, 3, 2, 2, dtype=given)
    assert squared_error(x, x).dtype == feature_error({2: x}, {2: x}).dtype == expected


def test_the_negative_elbo_is_per_value_of_the_image_and_per_nat() -> None:
    error, kl = torch.tensor([8.0]), torch.tensor([2.0])
    assert negative_elbo(error, kl, numel=10, beta_rec=0.5, beta_kl=0.3).item() == pytest.approx(0.4 + 0.6)


def test_the_exponential_elbo_by_hand() -> None:
    value = exponential_elbo(torch.tensor([8.0]), torch.tensor([2.0]), numel=10, beta_rec=0.5, beta_neg=0.3, alpha=2.0)
    assert value.item() == pytest.approx(math.exp(-2.0 * (0.4 + 0.6)) / 2)


@pytest.mark.parametrize("alpha", [0.5, 2.0])
def test_the_exponential_elbo_lies_between_0_and_1_over_alpha(alpha: float) -> None:
    error, kl = torch.linspace(0, 1e4, 100), torch.linspace(0, 1e3, 100)
    value = exponential_elbo(error, kl, numel=3072, beta_rec=1.0, beta_neg=0.08, alpha=alpha)
    assert value[0].item() == pytest.approx(1 / alpha)
    assert (value.diff() <= 0).all() and value.min() >= 0


def test_the_hinge_is_of_the_mean() -> None:
    assert hinge(torch.tensor([1.0, 5.0]), 4.0).item() == pytest.approx(1.0)  # the mean of hinges would be 1.5
    assert hinge(torch.tensor([1.0, 9.0]), 4.0).item() == 0.0
    assert hinge(torch.zeros(3), 4.0).item() == 4.0


def test_the_feature_error_is_0_of_a_dead_layer_and_1_of_constant_features() -> None:
    real = torch.randn(64, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    dead, constant = torch.zeros(64, 2, 2, 2), real.mean().expand_as(real)
    torch.testing.assert_close(feature_error({2: dead}, {2: dead}), torch.zeros(64))
    both = feature_error({4: real, 2: dead}, {4: constant, 2: dead})
    assert both.shape == (64,) and both.mean().item() == pytest.approx(0.5, rel=0.01)  # the mean over resolutions
