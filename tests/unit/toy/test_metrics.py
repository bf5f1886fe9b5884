"""Metrics in the plane, against closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sivae_translate.toy.datasets import DATASETS, SPREAD, eight_centres, polar
from sivae_translate.toy.metrics import (
    BINS,
    GRID,
    NotFiniteError,
    coverage,
    grid,
    histogram,
    jsd,
    judge,
    kl,
    log_density,
    neighbour_log_density,
    sample,
    theory,
)
from sivae_translate.types import Code, Gaussian, Posterior

EIGHT = DATASETS["8-gaussians"]


class IdentityEncoder:
    """A model whose code is the point itself: ELBO(x) = -|x|^2 / 2 where the decoder is the identity too."""

    def __init__(self, decode: Callable[[Tensor], Tensor] = lambda z: z) -> None:
        self.to_points = decode

    def encode(self, x: Tensor) -> Posterior:
        return Posterior(Gaussian(x, torch.zeros_like(x)))

    def decode(self, code: Code) -> Tensor:
        return self.to_points(code.content)

    def prior(self, domains: Tensor) -> Posterior:
        return Posterior(Gaussian(torch.zeros(len(domains), 2), torch.zeros(len(domains), 2)))


def perfect(z: Tensor) -> Tensor:
    """N(0, I) -> the 8 Gaussians: the octant selects the centre, and the angle within it is stretched to a circle."""
    octants = 8 * (torch.atan2(z[:, 1], z[:, 0]) / (2 * math.pi) % 1)
    which = octants.long().clamp(max=7)
    return eight_centres()[which] + SPREAD * polar(z.norm(dim=1), 2 * math.pi * (octants - which))


def seven_of_eight(z: Tensor) -> Tensor:
    x = perfect(z)
    return torch.where((x[:, :1] > 1.2), -x, x)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def random_histogram(seed: int) -> Tensor:
    p = torch.rand(BINS, BINS, generator=torch.Generator().manual_seed(seed)).double()
    return p / p.sum()


def test_a_histogram_counts_every_point_once() -> None:
    p = histogram(torch.tensor([[-0.99, -0.99], [0.99, -0.99], [50.0, -50.0]]), 1.0)
    assert p.sum().item() == pytest.approx(1.0)
    total = 3 + 0.01 * BINS**2
    assert p[0, 0].item() == pytest.approx(1.01 / total)
    assert p[-1, 0].item() == pytest.approx(2.01 / total)  # a point out of reach is counted at the border
    assert p[50, 50].item() == pytest.approx(0.01 / total)


def test_kl_by_hand() -> None:
    p, q = torch.tensor([0.5, 0.5]), torch.tensor([0.25, 0.75])
    assert kl(p, q) == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3))


def test_a_divergence_is_zero_to_itself_and_positive_to_others() -> None:
    p, q = random_histogram(0), random_histogram(1)
    assert kl(p, p) == jsd(p, p) == 0
    assert kl(p, q) > 0
    assert jsd(p, q) == pytest.approx(jsd(q, p))


def test_jsd_is_at_most_ln_2() -> None:
    tiny = 1e-12
    assert jsd(torch.tensor([1.0, tiny]), torch.tensor([tiny, 1.0])) == pytest.approx(math.log(2), abs=1e-6)
    assert 0 < jsd(random_histogram(0), random_histogram(1)) < math.log(2)


@pytest.mark.parametrize("decode", [lambda z: z, torch.sin, torch.zeros_like])
def test_the_density_of_any_model_integrates_to_1(decode: Callable[[Tensor], Tensor]) -> None:
    reach = 3.0
    density = log_density(IdentityEncoder(decode), grid(reach), reach).exp()
    assert density.sum().item() * (2 * reach / GRID) ** 2 == pytest.approx(1.0)


def test_the_density_of_a_known_elbo() -> None:
    x = torch.tensor([[0.0, 0.0], [1.0, -2.0]])
    expected = [-math.log(2 * math.pi), -math.log(2 * math.pi) - 2.5]
    assert log_density(IdentityEncoder(), x, reach=8.0).tolist() == pytest.approx(expected, abs=1e-5)


def test_density_and_entropy_of_a_normal_by_its_samples() -> None:
    x, samples = (torch.randn(n, 2, generator=generator().manual_seed(n)) for n in (4000, 20_000))
    truth = -math.log(2 * math.pi) - x.square().sum(1) / 2
    assert (neighbour_log_density(x, samples) - truth).mean().abs() < 0.03
    assert -neighbour_log_density(x, samples).mean().item() == pytest.approx(1 + math.log(2 * math.pi), abs=0.05)


def test_a_perfect_model_scores_as_fresh_points_do() -> None:
    figures = judge(IdentityEncoder(perfect), EIGHT, generator())
    assert figures["kl"] == pytest.approx(figures["kl_baseline"], abs=0.01)
    assert figures["jsd"] == pytest.approx(figures["jsd_baseline"], abs=0.002)
    assert figures["coverage"] > 0.999
    truth = theory(IdentityEncoder(perfect), EIGHT, generator())
    assert truth["kl"] == pytest.approx(0, abs=0.05)
    assert truth["entropy"] == pytest.approx(truth["data_entropy"], abs=0.05)


def test_a_model_that_drops_a_mode_covers_seven_eighths() -> None:
    figures = judge(IdentityEncoder(seven_of_eight), EIGHT, generator())
    assert figures["coverage"] == pytest.approx(7 / 8, abs=0.02)
    assert figures["kl"] > 0.5
    assert theory(IdentityEncoder(seven_of_eight), EIGHT, generator())["kl"] > 0.5


def test_coverage_allows_for_a_tenth_of_the_density() -> None:
    p, q = torch.full((BINS, BINS), 1.0 / BINS**2), torch.full((BINS, BINS), 0.2 / BINS**2)
    q[:40] = 0.05 / BINS**2
    assert coverage(p, p) == pytest.approx(1.0)
    assert coverage(p, q) == pytest.approx(0.6)


def test_points_that_are_not_finite_are_no_samples() -> None:
    with pytest.raises(NotFiniteError):
        sample(IdentityEncoder(lambda z: z / 0), 10, generator())
