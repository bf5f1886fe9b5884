"""The equations, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Independent, Normal
from torch.distributions import kl_divergence as torch_kl

from sivae_translate.objectives.functional import (
    feature_error,
    hinge,
    kl_divergence,
    negative_elbo,
    repulsion,
    squared_error,
)
from sivae_translate.types import Gaussian


def test_kl_is_zero_at_the_prior() -> None:
    p = Gaussian(torch.randn(5, 3), torch.randn(5, 3))
    assert kl_divergence(p, p).abs().max() < 1e-6


def test_kl_agrees_with_torch_distributions_on_maps_and_vectors() -> None:
    for shape in [(4, 7), (4, 2, 3, 3)]:
        q, p = (Gaussian(torch.randn(shape), torch.randn(shape)) for _ in range(2))
        a, b = (Independent(Normal(g.mean, (g.logvar / 2).exp()), len(shape) - 1) for g in (q, p))
        torch.testing.assert_close(kl_divergence(q, p), torch_kl(a, b), rtol=1e-4, atol=1e-4)


def test_kl_with_unit_variance_is_half_the_squared_mean() -> None:
    q, p = Gaussian(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2)), Gaussian(torch.zeros(1, 2), torch.zeros(1, 2))
    assert kl_divergence(q, p).item() == pytest.approx(12.5)


def test_squared_error_is_summed_over_the_image() -> None:
    x, y = torch.zeros(2, 3, 2, 2), torch.full((2, 3, 2, 2), 0.5)
    assert squared_error(x, y).tolist() == pytest.approx([3.0, 3.0])


def test_negative_elbo_weighs_its_terms() -> None:
    error, kl = torch.tensor([8.0]), torch.tensor([2.0])
    assert negative_elbo(error, kl, scale=0.1, beta_rec=0.5, beta_kl=3.0).item() == pytest.approx(1.0)


def test_repulsion_by_hand() -> None:
    value = repulsion(torch.tensor([8.0]), torch.tensor([2.0]), scale=0.1, beta_rec=0.5, beta_neg=3.0, alpha=2.0)
    assert value.item() == pytest.approx(math.exp(-2.0) / 2)


def test_repulsion_lies_between_0_and_1_over_alpha() -> None:
    error, kl = torch.rand(100) * 1e4, torch.rand(100) * 1e4
    error[0] = kl[0] = 0
    for alpha in (0.5, 2.0):
        value = repulsion(error, kl, scale=1 / 3072, beta_rec=1.0, beta_neg=256.0, alpha=alpha)
        assert value.min() >= 0
        assert value.max().item() == pytest.approx(1 / alpha)


def test_the_hinge_is_of_the_mean() -> None:
    assert hinge(torch.tensor([1.0, 5.0]), 4.0).item() == pytest.approx(1.0)  # not mean(3, 0)
    assert hinge(torch.tensor([1.0, 9.0]), 4.0).item() == 0.0
    assert hinge(torch.zeros(3), 4.0).item() == 4.0


def test_features_of_a_dead_layer_err_by_nothing_and_a_constant_by_all() -> None:
    real = torch.randn(64, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    dead, flat = torch.zeros(64, 2, 2, 2), real.mean().expand_as(real)
    torch.testing.assert_close(feature_error({2: dead}, {2: dead}), torch.zeros(64))
    both = feature_error({4: real, 2: dead}, {4: flat, 2: dead})
    assert both.shape == (64,) and both.mean().item() == pytest.approx(0.5, rel=0.01)  # the mean over resolutions
