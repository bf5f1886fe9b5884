"""The pyramid of Gaussians: exact scores, the density that they imply, and transport between domains."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from sivae_translate.models.pyramid import Pyramid, join, opponent, rgb, split
from sivae_translate.objectives.functional import entropy, kl_to_flow
from sivae_translate.types import Gaussian

DOMAINS = torch.tensor([0, 2, 1, 0])
ONE = torch.ones(4, 1, 1, 1, dtype=torch.float64)


@pytest.fixture(scope="module")
def pyramid() -> Pyramid:
    torch.manual_seed(0)
    pyramid = Pyramid(3, 8, 16).double().requires_grad_(False)
    for parameter in pyramid.parameters():  # also those that begin at zero
        parameter += 0.05 * torch.randn(parameter.shape, dtype=torch.float64)
    return pyramid


def pictures(rows: int = 4) -> torch.Tensor:
    return 0.3 * torch.randn(rows, 3, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_colours_turn_and_come_back() -> None:
    x = pictures()
    turned = opponent(x)
    torch.testing.assert_close(rgb(turned), x)
    torch.testing.assert_close(turned.square().sum(1), x.square().sum(1))
    torch.testing.assert_close(
        opponent(torch.full((1, 3, 1, 1), 2.0))[0, :, 0, 0], torch.tensor([2 * 3**0.5, 0.0, 0.0])
    )


def test_a_picture_is_its_average_over_blocks_and_details_that_vanish_in_even_areas() -> None:
    x = pictures()
    coarse, details = split(x)
    torch.testing.assert_close(coarse, torch.nn.functional.avg_pool2d(x, 2))
    torch.testing.assert_close(join(coarse, details), x)
    assert split(torch.nn.functional.interpolate(coarse, scale_factor=2))[1].abs().max() < 1e-12
    torch.testing.assert_close(4 * coarse.square().sum() + details.square().sum(), x.square().sum())


def test_a_picture_comes_back_and_equal_domains_change_nothing(pyramid: Pyramid) -> None:
    x, prior = pictures(), pyramid.of(DOMAINS)
    torch.testing.assert_close(prior.transport(x, prior, ONE), x)
    there = prior.transport(x, pyramid.of(DOMAINS.roll(1)), ONE)
    assert (there - x).abs().max() > 0.01
    torch.testing.assert_close(pyramid.of(DOMAINS.roll(1)).transport(there, prior, ONE), x)


def test_the_density_is_that_of_the_change_of_variables(pyramid: Pyramid) -> None:
    x, prior = pictures(), pyramid.of(DOMAINS)

    def scores(values: torch.Tensor) -> torch.Tensor:
        one = pyramid.of(DOMAINS[:1])
        return torch.cat([score.flatten() for score, _ in one._scored(values.view(1, 3, 8, 8))])

    jacobian = torch.autograd.functional.jacobian(scores, x[0].flatten())
    score = scores(x[0].flatten())
    assert isinstance(jacobian, torch.Tensor)
    expected = -0.5 * (score.square() + math.log(2 * math.pi)).sum() + torch.linalg.slogdet(jacobian).logabsdet
    torch.testing.assert_close(prior.log_density(x)[0], expected)


def test_noise_lowers_the_density_as_its_samples_do_where_predictions_stay(pyramid: Pyramid) -> None:
    constant = copy.deepcopy(pyramid)
    for scale in constant.scales:
        scale.stem.weight.zero_()
    x, prior, variance = pictures(), constant.of(DOMAINS), 0.01**2
    noise = torch.randn(200, 1, 3, 8, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    sampled = torch.stack([prior.log_density(x + 0.01 * each) for each in torch.cat([noise, -noise])]).mean(0)
    torch.testing.assert_close(prior.log_density(x, variance), sampled, rtol=0, atol=0.05)
    assert (prior.log_density(x) - sampled > 0.3).all()


def test_a_draw_has_standard_normal_scores(pyramid: Pyramid) -> None:
    prior = pyramid.of(DOMAINS)
    drawn = prior.draw(lambda shape: torch.full(shape, 0.5, dtype=torch.float64))
    assert drawn.shape == (4, 3, 8, 8)
    for score, _ in prior._scored(drawn):
        torch.testing.assert_close(score, torch.full_like(score, 0.5))


def test_a_lower_spread_is_more_probable_and_keeps_the_coarse_colours_alike(pyramid: Pyramid) -> None:
    x, own, other = pictures(), pyramid.of(DOMAINS), pyramid.of(DOMAINS.roll(1))
    narrow, wide = own.transport(x, other, 0.5 * ONE), own.transport(x, other, ONE)
    assert (other.log_density(narrow) > other.log_density(wide)).all()
    torch.testing.assert_close(*(torch.nn.functional.avg_pool2d(y, 2) for y in (narrow, wide)))


def test_the_kl_is_the_density_less_the_entropy(pyramid: Pyramid) -> None:
    q = Gaussian(pictures(), torch.full((4, 3, 8, 8), 2 * math.log(0.05), dtype=torch.float64))
    prior = pyramid.of(DOMAINS)
    torch.testing.assert_close(kl_to_flow(q, prior), -entropy(q) - prior.log_density(q.mean, 0.05**2))
    assert (kl_to_flow(q, prior) > 0).all()


def test_no_known_domain_is_the_average_of_all_and_a_new_domain_begins_as_it(pyramid: Pyramid) -> None:
    x = pictures(1)
    unknown = pyramid.of(torch.tensor([-1])).log_density(x)
    torch.manual_seed(0)
    larger = Pyramid(3, 8, 16).double()
    larger.load_state_dict(pyramid.state_dict())
    larger.add()
    torch.testing.assert_close(larger.of(torch.tensor([3])).log_density(x), unknown)
    for label in range(3):
        label_rows = torch.tensor([label])
        torch.testing.assert_close(larger.of(label_rows).log_density(x), pyramid.of(label_rows).log_density(x))


def test_a_detached_density_is_the_same_without_gradients() -> None:
    torch.manual_seed(0)
    pyramid, x = Pyramid(2, 8, 16).double(), pictures(2).requires_grad_()
    prior = pyramid.of(torch.tensor([0, 1]))
    density = prior.detach().log_density(x)
    torch.testing.assert_close(density, prior.log_density(x))
    density.sum().backward()
    assert x.grad is not None and all(parameter.grad is None for parameter in pyramid.parameters())
