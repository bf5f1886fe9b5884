"""The content prior, a mixture at each place, against sums written out in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sivae_translate.models.likelihood import log_content_prior
from sivae_translate.objectives.functional import kl_divergence, kl_to_mixture
from sivae_translate.types import Gaussian, Mixture

B, K, GRID, M = 3, 4, 2, 5
SHAPE = (B, K, GRID, GRID)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(3)


def posterior(random: np.random.Generator) -> Gaussian:
    mean, logvar = (torch.from_numpy(random.standard_normal(SHAPE)) for _ in range(2))
    return Gaussian(2 * mean, logvar)


def mixture(random: np.random.Generator, components: int = M) -> Mixture:
    return Mixture(torch.from_numpy(2 * random.standard_normal((components, K))), SHAPE)


def places(x: torch.Tensor) -> np.ndarray:
    """`[B, K, g, g]` -> `[B, g * g, K]`."""
    return x.numpy().reshape(B, K, -1).transpose(0, 2, 1)


def test_the_kl_agrees_with_the_sum_over_components_and_places(random: np.random.Generator) -> None:
    q, p = posterior(random), mixture(random)
    means, variances = places(q.mean), np.exp(places(q.logvar))
    expected = np.zeros(B)
    for b, place in np.ndindex(B, GRID**2):
        mean, variance = means[b, place], variances[b, place]
        kls = [0.5 * (variance + (mean - m) ** 2 - 1 - np.log(variance)).sum() for m in p.means.numpy()]
        expected[b] -= np.log(np.mean(np.exp(-np.array(kls))))
    np.testing.assert_allclose(kl_to_mixture(q, p), expected)


def test_a_mixture_of_one_component_has_the_kl_of_gaussians(random: np.random.Generator) -> None:
    q, p = posterior(random), mixture(random, 1)
    mean = p.means[0][None, :, None, None].expand(SHAPE)
    np.testing.assert_allclose(kl_to_mixture(q, p), kl_divergence(q, Gaussian(mean, torch.zeros(SHAPE))))


@pytest.mark.parametrize("components", [1, M])
def test_the_kl_is_zero_at_a_prior_whose_components_coincide(random: np.random.Generator, components: int) -> None:
    mean = torch.from_numpy(random.standard_normal(K))
    q = Gaussian(mean[None, :, None, None].expand(SHAPE), torch.zeros(SHAPE))
    np.testing.assert_allclose(kl_to_mixture(q, Mixture(mean.expand(components, K), SHAPE)), 0, atol=1e-12)


def test_the_kl_is_an_upper_bound_of_the_true_one_within_a_log_of_the_components(random: np.random.Generator) -> None:
    q, p = posterior(random), mixture(random)
    z = q.mean + torch.exp(q.logvar / 2) * torch.randn(20_000, *SHAPE, dtype=torch.float64)
    log_q = torch.distributions.Normal(q.mean, torch.exp(q.logvar / 2)).log_prob(z).flatten(2).sum(2)
    log_p = torch.stack([log_content_prior(each, p) for each in z])
    true, bound = (log_q - log_p).mean(0), kl_to_mixture(q, p)
    assert (bound > true - 0.05).all()
    assert (bound < true + GRID**2 * np.log(M)).all()


def test_the_density_agrees_with_the_sum_over_components_and_places(random: np.random.Generator) -> None:
    p, content = mixture(random), torch.from_numpy(random.standard_normal(SHAPE))
    expected = np.zeros(B)
    for b, place in np.ndindex(B, GRID**2):
        distance = ((places(content)[b, place] - p.means.numpy()) ** 2).sum(1)
        expected[b] += np.log(np.mean(np.exp(-distance / 2) * (2 * np.pi) ** (-K / 2)))
    np.testing.assert_allclose(log_content_prior(content, p), expected)


def test_each_component_is_drawn_as_often_as_the_others() -> None:
    means = 100.0 * torch.eye(M)[:, :K]
    p = Mixture(means, (2000, K, GRID, GRID))
    drawn = p.draw(lambda shape: torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))).movedim(1, -1)
    distance = torch.cdist(drawn.reshape(-1, K), means)
    counts = torch.bincount(distance.argmin(1), minlength=M) / distance.shape[0]
    np.testing.assert_allclose(counts, 1 / M, atol=0.02)
    around = drawn.reshape(-1, K) - means[distance.argmin(1)]
    assert abs(float(around.std()) - 1) < 0.02 and abs(float(around.mean())) < 0.02
