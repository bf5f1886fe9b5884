"""What content foretells of styles is taken off them, and no more than holds for images that were not looked at."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from sivae_translate.models import offset as module
from sivae_translate.models.autoencoder import StyleAutoencoder, domain_means
from sivae_translate.models.offset import PENALTIES, ContentOffset
from sivae_translate.types import Gaussian, Latents


def poses(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Contents `[n, 2]` and deviations `[n, 3]` that depend on them, not linearly, beside noise as large."""
    generator = torch.Generator().manual_seed(seed)
    content = 3 * torch.randn(n, 2, generator=generator)
    foretold = torch.stack([content[:, 0].sin(), (content[:, 1] / 2).cos(), content.prod(1) / 9], 1)
    return content, foretold + 0.5 * torch.randn(n, 3, generator=generator)


def explained(offset: ContentOffset, content: Tensor, deviations: Tensor) -> float:
    return 1 - ((deviations - offset(content)).square().sum() / deviations.square().sum()).item()


def test_it_is_nothing_until_it_is_fitted() -> None:
    assert (ContentOffset(4, 3)(torch.randn(5, 4)) == 0).all()


def test_its_features_make_a_gaussian_kernel() -> None:
    offset, content = ContentOffset(8, 3), 2 * torch.randn(20, 8, generator=torch.Generator().manual_seed(0))
    kernel = torch.exp(-torch.cdist(content, content).square() / (2 * module.REACH**2))
    features = offset.features(content)
    torch.testing.assert_close(features @ features.T, kernel, rtol=0, atol=0.12)  # of 1,024 features, random ones


def test_the_fit_is_the_ridge_regression_that_leaving_one_out_prefers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEATURES", 12)
    offset, (content, deviations) = ContentOffset(2, 3), poses(30, seed=0)
    phi, wanted = offset.features(content).double().numpy(), deviations.double().numpy()

    def ridge(rows: np.ndarray, penalty: float) -> np.ndarray:
        return np.linalg.solve(phi[rows].T @ phi[rows] + penalty * np.eye(12), phi[rows].T @ wanted[rows])

    def left_out(penalty: float) -> float:
        others = [np.delete(np.arange(30), i) for i in range(30)]
        return sum(((wanted[i] - phi[i] @ ridge(others[i], penalty)) ** 2).sum() for i in range(30))

    best = min(PENALTIES, key=left_out)
    assert PENALTIES[0] < best < PENALTIES[-1]  # or the choice would not be put to the test
    offset.fit(content, deviations)
    np.testing.assert_allclose(offset.weights.numpy(), ridge(np.arange(30), best), rtol=1e-4, atol=1e-5)


def test_what_content_foretells_is_taken_off_images_never_looked_at() -> None:
    offset = ContentOffset(2, 3)
    offset.fit(*poses(1000, seed=0))
    assert explained(offset, *poses(1000, seed=1)) > 0.5  # of which .25 / .75 is noise in the first of the three


def test_noise_is_not_learned_by_heart() -> None:
    offset, generator = ContentOffset(2, 3), torch.Generator().manual_seed(0)
    content, noise = torch.randn(100, 2, generator=generator), torch.randn(100, 3, generator=generator)
    offset.fit(content, noise)
    assert explained(offset, content, noise) < 0.02


def test_one_image_and_equal_ones_leave_it_finite() -> None:
    for content, deviations in ((torch.ones(1, 2), torch.zeros(1, 3)), (torch.ones(9, 2), torch.randn(9, 3))):
        offset = ContentOffset(2, 3)
        offset.fit(content, deviations)
        assert torch.isfinite(offset.weights).all()


def test_each_row_gets_the_mean_of_its_domain() -> None:
    values = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 0.0]])
    expected = torch.tensor([[3.0, 1.0], [3.0, 4.0], [3.0, 1.0]])
    assert torch.equal(domain_means(torch.tensor([2, 0, 2]), values), expected)


def fitted_model(domains: Tensor, x: Tensor) -> StyleAutoencoder:
    torch.manual_seed(0)
    model = StyleAutoencoder(domains=("a", "b"), size=16, width=16, max_width=16, content=2, style=3)
    with torch.no_grad():
        model.fit_styles(domains, model.encode(x))
    return model


def test_a_model_takes_it_off_the_styles_it_reads_and_fits_its_priors_to_what_is_left() -> None:
    torch.manual_seed(1)
    domains, x = torch.arange(40) % 2, torch.rand(40, 3, 16, 16) * torch.rand(40, 1, 1, 1)
    model = fitted_model(domains, x)
    offset = model.encoder["offset"]
    with torch.no_grad():
        q = model.encode(x)
        content = q.content.mean.flatten(1)
        assert q.style is not None and (offset(content) != 0).any()
        read = q.style.mean + offset(content)
        off = read - domain_means(domains, read)
        assert (q.style.mean - domain_means(domains, q.style.mean)).square().sum() < 0.9 * off.square().sum()
        own = model.prior(domains).style
        assert own is not None
        torch.testing.assert_close(own.mean, domain_means(domains, q.style.mean))


def test_to_fit_a_model_again_changes_nothing() -> None:
    torch.manual_seed(1)
    domains, x = torch.arange(40) % 2, torch.rand(40, 3, 16, 16) * torch.rand(40, 1, 1, 1)
    model = fitted_model(domains, x)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        model.fit_styles(domains, model.encode(x))
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=1e-3, atol=1e-5)


def test_a_layout_has_none() -> None:
    model = StyleAutoencoder(domains=("a", "b"), size=32, width=16, max_width=16, grid=8)
    q = Latents(
        Gaussian(torch.randn(4, 8, 8, 8), torch.zeros(4, 8, 8, 8)), Gaussian(torch.randn(4, 64), torch.zeros(4, 64))
    )
    model.fit_styles(torch.tensor([0, 1, 0, 1]), q)
    assert "offset" not in model.encoder
    assert q.style is not None
    torch.testing.assert_close(model.prior(torch.tensor([0])).style.mean, q.style.mean[::2].mean(0, keepdim=True))  # type: ignore[union-attr]
