"""The model `detail`: a content that is the picture, a U-Net that begins as the identity, and styles apart."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal

from sivae_translate.models.detail import NOISE, DetailAutoencoder
from sivae_translate.models.layers import FiLM, ResidualBlock
from sivae_translate.types import Code, Gaussian


def small(**settings: int) -> DetailAutoencoder:
    torch.manual_seed(0)
    return DetailAutoencoder(
        **{"domains": ("a", "b"), "size": 32, "width": 8, "encoder_width": 8, "prior_width": 8, **settings}
    )  # type: ignore[arg-type]


def test_the_content_is_the_picture_under_noise() -> None:
    x = torch.rand(2, 3, 32, 32)
    content = small().encode(x).content
    torch.testing.assert_close(content.mean, x - 0.5)
    torch.testing.assert_close(content.logvar.exp().sqrt(), torch.full_like(x, NOISE))


def test_a_new_model_draws_its_content_but_for_a_little() -> None:
    x, model = torch.rand(2, 3, 32, 32), small()
    drawn = model.decode(model.encode(x).mean)
    assert 0 < (drawn - x).square().mean() < 0.01


def test_every_block_of_the_decoder_is_modulated_by_the_style_without_a_norm() -> None:
    model = small()
    blocks = [module for module in model.decoder["image"].modules() if isinstance(module, ResidualBlock)]
    assert len(blocks) == 8
    assert all(type(norm) is FiLM for block in blocks for norm in (block.norm1, block.norm2))
    code = model.encode(torch.rand(2, 3, 32, 32)).mean
    assert code.style is not None
    assert (model.decode(code) - model.decode(Code(code.content, code.style + 1))).abs().max() > 1e-4


def test_a_pixel_changes_those_around_it_too() -> None:
    model, x = small(size=128), torch.rand(1, 3, 128, 128)
    code = model.encode(x).mean
    moved = code.content.clone()
    moved[0, :, 64, 64] += 0.5
    change = (model.decode(Code(moved, code.style)) - model.decode(code)).abs().amax((0, 1))
    assert change[64, 64] > 0.1 and change[48:80, 48:80].gt(0).float().mean() > 0.9
    assert change[60:68, 60:68].mean() > 10 * change[:16].mean()


def test_the_style_is_the_mean_of_domains_by_their_likelihood_of_the_mean_features() -> None:
    model = small()
    features, means = model.features(torch.rand(3, 3, 32, 32)), model.decoder["prior"].means
    assert model.style_places(features).shape == (3, 16, 8, 8)
    h, style = model.encoder["domain"](features[8].mean((2, 3))), model.posterior(features).style
    share = torch.stack([Normal(m, 1.0).log_prob(h).sum(1) for m in means], 1).softmax(1)
    assert style is not None and 0.01 < (share - 0.5).abs().max() < 0.499
    torch.testing.assert_close(style.mean, share[:, :1] * means[0] + share[:, 1:] * means[1])


def test_the_encoder_is_blind_to_a_tint() -> None:
    model, x = small().double(), 0.4 * torch.rand(2, 3, 32, 32).double()
    tint = torch.tensor([0.5, 0.2, 0.0]).double()[:, None, None]
    torch.testing.assert_close(model.features(x + tint)[8], model.features(x)[8])
    assert (model.features(x)[8] - model.features(2 * x)[8]).abs().max() > 1e-3


def test_the_style_at_a_place_sees_its_30_pixels_alone() -> None:
    model, x = small(size=64), torch.rand(1, 3, 64, 64).double()
    features = model.double().encoder["features"]
    moved = x.clone()
    moved[..., 30, 30] += 1
    change = (features(moved) - features(x)).abs().amax((0, 1)).gt(0)
    seen = change.any(0).nonzero().flatten()
    assert seen.min() * 4 + 1.5 - 15 <= 30 <= seen.min() * 4 + 1.5 + 15
    assert seen.max() * 4 + 1.5 - 15 <= 30 <= seen.max() * 4 + 1.5 + 15 and len(seen) >= 7


def test_the_style_priors_stay_where_the_decoder_has_learned_them() -> None:
    model = small()
    before = model.decoder["prior"].means.clone()
    model.refit_style_prior(torch.tensor([0, 1]), Gaussian(torch.ones(2, 16), torch.zeros(2, 16)))
    assert torch.equal(model.decoder["prior"].means, before)


def test_the_style_priors_begin_apart() -> None:
    prior = small(domains=tuple(map(str, range(200)))).prior(torch.arange(200)).style  # type: ignore[arg-type]
    assert prior is not None
    assert prior.mean.square().sum(1).mean().item() == pytest.approx(1.5**2, rel=0.1)


def test_a_further_domain_has_its_style_and_a_density_of_pictures() -> None:
    model, style, x = small(), torch.arange(16.0), torch.rand(1, 3, 32, 32) - 0.5
    unknown = model.prior(torch.tensor([-1])).content
    model.add_domain("c", style)
    prior = model.prior(torch.tensor([2]))
    assert model.domains == ("a", "b", "c") and prior.style is not None
    torch.testing.assert_close(prior.style.mean[0], style)
    torch.testing.assert_close(prior.content.log_density(x), unknown.log_density(x))  # type: ignore[union-attr]


@pytest.mark.parametrize(("key", "value"), [("size", 20), ("style", 0), ("width", 4), ("prior_width", 500)])
def test_impossible_networks_are_errors(key: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"^{key}: must be"):
        small(**{key: value})
