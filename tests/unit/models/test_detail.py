"""The model `detail`: its linear path, what it draws before it has learned anything, and its style at places."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from sivae_translate.models.detail import DetailAutoencoder, cosine_basis, to_content, to_pixels
from sivae_translate.training.optimizers import parameter_groups


@pytest.mark.parametrize(("side", "count"), [(2, 12), (4, 24), (4, 48), (8, 8)])
def test_the_basis_is_orthonormal_and_begins_with_the_mean_colour(side: int, count: int) -> None:
    rows = cosine_basis(side, count).flatten(1)
    torch.testing.assert_close(rows @ rows.T, torch.eye(count))
    red = torch.zeros(3, side, side)
    red[0] = 1 / side
    torch.testing.assert_close(rows[0], red.flatten())


def test_rows_beyond_a_patch_s_values_are_zero() -> None:
    assert cosine_basis(2, 15)[12:].eq(0).all() and cosine_basis(2, 15)[:12].flatten(1).norm(dim=1).allclose(
        torch.ones(12)
    )


def test_as_many_channels_as_values_lose_nothing_and_fewer_lose_the_finest_detail() -> None:
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))

    def there_and_back(content: int, image: torch.Tensor) -> torch.Tensor:
        image = to_pixels(4, content)(to_content(4, content)(image))
        return image.detach()

    torch.testing.assert_close(there_and_back(48, x), x)
    smooth = F.interpolate(x[..., :4, :4], scale_factor=4)  # of one colour in each patch
    torch.testing.assert_close(there_and_back(3, smooth), smooth)
    assert (there_and_back(24, x) - x).square().mean() == pytest.approx(x.square().mean().item() / 2, rel=0.1)


def test_a_new_model_of_a_layout_already_draws_its_input_roughly() -> None:
    torch.manual_seed(0)
    model = DetailAutoencoder(domains=("a", "b"), size=32, content=24, content_stride=4, width=16, max_width=32)
    x = 0.25 + 0.5 * F.interpolate(torch.rand(4, 3, 4, 4), size=32, mode="bilinear")
    with torch.no_grad():
        drawn = model.decode(model.encode(x).mean)
    assert (drawn - x).square().mean() < 0.003 < (x.mean((2, 3), keepdim=True) - x).square().mean()


def test_the_style_is_the_mean_of_the_styles_at_places() -> None:
    torch.manual_seed(0)
    model = DetailAutoencoder(domains=("a", "b"), size=32, width=16, max_width=32)
    features = model.features(torch.rand(3, 3, 32, 32))
    places, style = model.style_places(features), model.posterior(features).style
    assert places.shape == (3, 16, 8, 8) and places.std() > 0 and style is not None
    torch.testing.assert_close(places.mean((2, 3)), style.mean)


def test_the_style_priors_begin_apart() -> None:
    torch.manual_seed(0)
    model = DetailAutoencoder(domains=tuple(map(str, range(200))), size=16, width=16, max_width=32)
    prior = model.prior(torch.arange(200)).style
    assert prior is not None
    assert prior.mean.square().sum(1).mean().item() == pytest.approx(1.5**2, rel=0.1)


def test_a_vector_is_refused() -> None:
    with pytest.raises(ValueError, match="must be above 0; for a vector use model"):
        DetailAutoencoder(domains=("a",), size=32, content_stride=0)


def test_the_encoder_learns_more_slowly_than_the_decoder() -> None:
    model = DetailAutoencoder(domains=("a", "b"), size=16, width=16, max_width=32)
    rates = {
        part: {group["lr_multiplier"] for group in parameter_groups(model, part)} for part in ("encoder", "decoder")
    }
    assert rates == {"encoder": {0.3}, "decoder": {1.0, 8.0}}  # 8 for the style prior
