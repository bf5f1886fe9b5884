"""The style priors of a saved model, refitted in closed form to the styles of its images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sivae_translate.data.augment import Augment
from sivae_translate.data.batches import Images
from sivae_translate.data.domains import find_domains
from sivae_translate.data.images import Frame
from sivae_translate.inference.translator import Translator
from sivae_translate.models import MODELS
from sivae_translate.models.autoencoder import StyleAutoencoder, StylePrior
from sivae_translate.objectives.functional import kl_divergence
from sivae_translate.training import prior_refit
from sivae_translate.training.prior_refit import refit_style_prior, spread_over_domains
from sivae_translate.types import Gaussian


def styles(n: int) -> tuple[torch.Tensor, Gaussian]:
    torch.manual_seed(0)
    domains = torch.tensor([0, 2, 0, 2, 2, 0, 2, 2][:n])
    return domains, Gaussian(torch.randn(n, 5) * 2 + domains[:, None], torch.randn(n, 5) - 1)


def divergence(prior: StylePrior, domains: torch.Tensor, q: Gaussian) -> float:
    """KL(q || p), its mean over each domain's images and over the domains."""
    kl = kl_divergence(q, prior(domains))
    return torch.stack([kl[domains == d].mean() for d in domains.unique()]).mean().item()


def test_the_refitted_prior_has_the_least_kl() -> None:
    domains, q = styles(8)
    prior = StylePrior(3, 5)
    before = divergence(prior, domains, q)
    prior.refit(domains, q)
    best = divergence(prior, domains, q)
    assert best < before
    for weight in (prior.means, prior.logvar):
        for step in (-0.01, 0.01):
            with torch.no_grad():
                weight[..., 0] += step
            assert divergence(prior, domains, q) > best
            with torch.no_grad():
                weight[..., 0] -= step


def test_a_domain_without_images_keeps_its_mean() -> None:
    domains, q = styles(4)
    prior = StylePrior(3, 5)
    with torch.no_grad():
        prior.means[1] = 7.0
    prior.refit(domains, q)
    assert (prior.means[1] == 7.0).all() and (prior.means[2] != 0).all()


def test_styles_without_spread_leave_a_finite_log_variance() -> None:
    prior = StylePrior(1, 2)
    prior.refit(torch.tensor([0]), Gaussian(torch.ones(1, 2), torch.full((1, 2), -200.0)))
    assert torch.isfinite(prior.logvar).all() and (prior(torch.tensor([0])).mean == 1).all()


def refit_domain_by_domain(prior: StylePrior, domains: torch.Tensor, q: Gaussian) -> tuple[torch.Tensor, torch.Tensor]:
    """Means and log variance of the refit, computed for one domain after the other."""
    means, variances = prior.means.detach().clone(), []
    for domain in sorted(set(domains.tolist())):
        mean, variance = q.mean[domains == domain], q.logvar[domains == domain].exp()
        means[domain] = mean.mean(0)
        variances.append((variance + (mean - means[domain]).square()).mean(0))
    return means, torch.stack(variances).mean(0).log()


def test_all_domains_at_once_are_refitted_like_one_after_the_other() -> None:
    torch.manual_seed(0)
    domains = torch.randint(0, 30, (500,)) * 2  # every second one has images
    q = Gaussian(torch.randn(500, 8) * 2 + domains[:, None], torch.randn(500, 8) - 1)
    prior = StylePrior(61, 8)
    means, logvar = refit_domain_by_domain(prior, domains, q)
    prior.refit(domains, q)
    torch.testing.assert_close(prior.means.detach(), means, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(prior.logvar.detach(), logvar, rtol=1e-6, atol=1e-6)


@pytest.fixture
def images(tmp_path: Path) -> Images:
    for name, level in (("dark", 60), ("light", 200)):
        (tmp_path / name).mkdir()
        for i in range(12):
            pixels = np.random.default_rng(i).integers(0, level, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    return Images(find_domains(tmp_path), Frame(16, "crop", (255, 255, 255)), Augment(16))


def test_each_domain_has_the_mean_style_of_its_images(images: Images) -> None:
    model = StyleAutoencoder(domains=("dark", "light"), size=16, width=16, max_width=16)
    refit_style_prior(model, images, batch=5)
    x = torch.from_numpy(np.stack([images[row, 0][0] for row in range(24)])).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        mean = model.encode(x).style.mean.view(2, 12, -1).mean(1)  # type: ignore[union-attr]
    torch.testing.assert_close(model.prior(torch.arange(2)).style.mean, mean)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["conv", "synthesis"])
def test_a_model_without_style_is_unchanged(images: Images, name: str) -> None:
    model: Any = MODELS[name](domains=("dark", "light"), size=32)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    refit_style_prior(model, images, batch=5)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_large_domains_are_subsampled_and_small_ones_kept_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prior_refit, "ENCODED", 30)
    labels = [0] * 100 + [1] * 3 + [2] * 100
    rows = spread_over_domains(labels)
    assert [labels[row] for row in rows] == [0] * 10 + [1] * 3 + [2] * 10
    assert rows[:3] == [0, 10, 20]
    assert len(spread_over_domains(list(range(50)) * 9)) == 50 * prior_refit.FEWEST


def test_the_saved_model_of_a_run_has_refitted_priors(cars: Path, trained: Path) -> None:
    translator = Translator.from_pretrained(trained)
    for folder in sorted((cars / "train").iterdir()):
        styles = translator.encode(sorted(map(str, folder.glob("*.png")))).style
        assert styles is not None
        torch.testing.assert_close(translator.style_of(to=folder.name), styles.mean(0), rtol=1e-3, atol=1e-4)
