"""The bound on log p(x) where log p(x) is known: linear decoders, Gaussian codes; against slow float64 sums."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.linalg import slogdet, solve
from torch import Tensor

from sivae_translate.models.detail import DetailAutoencoder
from sivae_translate.models.likelihood import importance_weighted_bound, kl_to_any_domain, log_prior, noise, score
from sivae_translate.objectives.functional import kl_divergence, kl_to_flow
from sivae_translate.types import Code, Gaussian, Posterior, Scores

B, K, S, SIDE = 6, 3, 2, 2  # images, content, style, pixels on a side
N = 3 * SIDE**2
BETA = 0.3


def images(x: np.ndarray) -> Tensor:
    return torch.from_numpy(x).view(-1, 3, SIDE, SIDE)


def tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))


@dataclass(frozen=True)
class LinearModel:
    """x = C c + W s + noise of variance BETA / 2, with the columns of C and W orthogonal: then p(c, s | x) is
    diagonal for one domain, and `encode` gives it, its means off by `shift` and its variances `widen` as large."""

    c: np.ndarray  # [N, K]
    w: np.ndarray  # [N, S], or [N, 0] for a single latent
    means: np.ndarray  # of the domains' priors, [D, S]
    shift: float = 0.0
    widen: float = 1.0

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(map(str, range(len(self.means))))

    def decode(self, z: Code) -> Tensor:
        x = z.content.flatten(1) @ tensor(self.c.T)
        x = x if z.style is None else x + z.style @ tensor(self.w.T)
        return x.view(-1, 3, SIDE, SIDE)

    def prior(self, labels: Tensor) -> Posterior:
        def normal(mean: np.ndarray) -> Gaussian:
            return Gaussian(tensor(mean), torch.zeros(mean.shape, dtype=torch.float64))

        content = normal(np.zeros((len(labels), K, 1, 1)))
        return Posterior(content, normal(self.means[labels.numpy()]) if self.w.size else None)

    def encode(self, x: Tensor) -> Posterior:
        flat, centre = x.flatten(1).double().numpy(), self.means.mean(0)

        def posterior(a: np.ndarray, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            variance = 1 / (1 + (a**2).sum(0) * 2 / BETA)
            mean = variance * (prior + flat @ a * 2 / BETA)
            return mean + self.shift, np.broadcast_to(np.log(variance * self.widen), mean.shape)

        content = [tensor(part)[:, :, None, None] for part in posterior(self.c, np.zeros(K))]
        style = [tensor(part) for part in posterior(self.w, centre)] if self.w.size else None
        return Posterior(Gaussian(*content), Gaussian(*style) if style else None)

    def log_p(self, x: np.ndarray) -> np.ndarray:
        """log p(x) in closed form: a mixture of normals, `[B]`."""
        covariance = self.c @ self.c.T + self.w @ self.w.T + BETA / 2 * np.eye(N)
        by_domain = []
        for mean in self.means:
            d = x - self.w @ mean
            squares = np.einsum("bn,bn->b", d, solve(covariance, d.T).T)
            by_domain.append(-0.5 * (squares + slogdet(covariance)[1] + N * np.log(2 * np.pi)))
        return np.logaddexp.reduce(by_domain) - np.log(len(self.means))


def new_model(domains: int, style: int = S, **off: float) -> LinearModel:
    random = np.random.default_rng(3)
    basis = np.linalg.qr(random.standard_normal((N, N)))[0] * random.uniform(0.4, 1.2, N)
    return LinearModel(basis[:, :K], basis[:, K : K + style], random.standard_normal((domains, style)), **off)


MODELS = {"single latent": new_model(1, 0), "one domain": new_model(1), "three domains": new_model(3)}
OFF = {"shift": 0.15, "widen": 1.5}


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(5).random((B, N))


def scored(model: Any, x: np.ndarray, samples: int) -> Scores:
    return score(model, images(x), samples=samples, seed=0, beta=BETA)


def slow_bound(model: LinearModel, x: np.ndarray, samples: int) -> np.ndarray:
    """Burda et al. 2016, eq. 8, one image, one sample and one domain at a time."""

    def log_normal(z: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> float:
        terms = (-0.5 * ((a - m) ** 2 / v + np.log(2 * np.pi * v)) for a, m, v in zip(z, mean, variance, strict=True))
        return float(sum(terms))

    q = model.encode(images(x))
    noises = [each.map(lambda t: t.flatten(1)) for each in noise(images(x), q.mean, samples, 0)]
    bounds = []
    for b in range(len(x)):
        weights = []
        for drawn in noises:
            log_w, decoded = 0.0, np.zeros(N)
            for part, matrix in (("content", model.c), ("style", model.w)):
                posterior = getattr(q, part)
                if posterior is None:
                    continue
                mean, variance = (t[b].flatten().numpy() for t in (posterior.mean, posterior.logvar.exp()))
                z = mean + np.sqrt(variance) * getattr(drawn, part)[b].numpy()
                means = [np.zeros(K)] if part == "content" else model.means
                prior = np.mean([np.exp(log_normal(z, m, np.ones(len(z)))) for m in means])
                log_w += np.log(prior) - log_normal(z, mean, variance)
                decoded += matrix @ z
            weights.append(np.exp(log_w + log_normal(x[b], decoded, np.full(N, BETA / 2))))
        bounds.append(np.log(np.mean(weights)))
    return np.array(bounds)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("samples", [1, 7])
def test_the_bound_agrees_with_the_slow_reference(name: str, samples: int, x: np.ndarray) -> None:
    model = replace(MODELS[name], **OFF)
    np.testing.assert_allclose(scored(model, x, samples).bound, slow_bound(model, x, samples), atol=1e-4)


@pytest.mark.parametrize("name", ["single latent", "one domain"])
@pytest.mark.parametrize("samples", [1, 2, 9])
def test_under_the_true_posterior_every_bound_is_log_p(name: str, samples: int, x: np.ndarray) -> None:
    """All weights are then p(x): no sample, variance or logarithm of K may be off."""
    np.testing.assert_allclose(scored(MODELS[name], x, samples).bound, MODELS[name].log_p(x), atol=1e-4)


def drawn_from(model: LinearModel, count: int) -> np.ndarray:
    random = np.random.default_rng(9)
    styles = model.means[random.integers(len(model.means), size=count)] + random.standard_normal(
        (count, model.w.shape[1])
    )
    decoded = random.standard_normal((count, K)) @ model.c.T + styles @ model.w.T
    return decoded + np.sqrt(BETA / 2) * random.standard_normal((count, N))


@pytest.mark.parametrize("name", MODELS)
def test_the_bound_rises_to_log_p_with_the_samples(name: str) -> None:
    model = replace(MODELS[name], **OFF)
    x = drawn_from(model, 1000)
    means = [float(scored(model, x, samples).bound.mean()) for samples in (1, 3, 9, 27)]
    log_p = model.log_p(x).mean()
    assert means == sorted(means) and means[-1] < log_p
    assert means[-1] - means[0] > 0.1
    np.testing.assert_allclose(scored(model, x[:8], 3000).bound, model.log_p(x[:8]), atol=0.1)


@pytest.mark.parametrize("name", MODELS)
def test_one_sample_is_the_elbo_in_expectation(name: str) -> None:
    model = replace(MODELS[name], **OFF)
    x = drawn_from(model, 5000)
    result = scored(model, x, 1)
    excess = (result.bound - result.elbo).numpy()
    error = excess.std() / np.sqrt(len(x))
    assert error < 0.05 and excess.mean() > -4 * error
    if len(model.domains) == 1:  # of a mixture, kl is an upper bound
        assert excess.mean() < 4 * error


def test_the_bound_of_equal_weights_is_their_logarithm_and_order_changes_nothing() -> None:
    assert importance_weighted_bound(torch.full((7, 2), -3.5)).tolist() == pytest.approx([-3.5, -3.5])
    weights = torch.log(torch.tensor([[1.0], [2.0], [6.0]]))
    assert importance_weighted_bound(weights).exp().item() == pytest.approx(3)
    assert torch.allclose(importance_weighted_bound(weights.flip(0)), importance_weighted_bound(weights))


def test_the_kl_to_a_mixture_is_exact_for_one_domain_and_bounds_it_for_several(x: np.ndarray) -> None:
    model = replace(MODELS["three domains"], **OFF)
    q, p = model.encode(images(x)), model.prior(torch.arange(3))
    assert q.style is not None and p.style is not None
    one = p.map(lambda t: t[:1])
    parts = zip((q.content, q.style), (one.content, one.style), strict=True)
    normal = [[torch.distributions.Normal(g.mean, (g.logvar / 2).exp()) for g in pair] for pair in parts]
    exact = sum(torch.distributions.kl_divergence(*pair).flatten(1).sum(1) for pair in normal)
    assert torch.allclose(kl_to_any_domain(q, one), exact)

    (content, _), (style, _) = normal
    z = style.sample((20_000,))
    log_p = torch.stack([torch.distributions.Normal(mean, 1).log_prob(z).sum(-1) for mean in p.style.mean])
    true = (style.log_prob(z).sum(-1) - torch.logsumexp(log_p, 0) + np.log(3)).mean(0)
    of_content = (content.mean.square() + content.variance - 1 - content.variance.log()).sum((1, 2, 3)) / 2
    bound = kl_to_any_domain(q, p) - of_content
    assert (bound > true - 0.02).all() and (bound < true + np.log(3)).all()


def test_noise_is_the_image_s_own() -> None:
    x = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    like = Code(torch.zeros(4, 2, 1, 1), torch.zeros(4, 5))
    few, many = (list(noise(x, like, samples, seed=1)) for samples in (2, 5))
    assert len(many) == 5
    assert all(torch.equal(a.style, b.style) for a, b in zip(few, many, strict=False))  # more begin with the same ones
    (alone,) = noise(x[2:3], like[2:3], 1, seed=1)
    assert torch.equal(alone.content, few[0].content[2:3]) and torch.equal(alone.style, few[0].style[2:3])
    (other,) = noise(x, like, 1, seed=2)
    everything = torch.cat([drawn.style for drawn in (*many, other)])
    assert len(everything.unique(dim=0)) == 24  # of every image, sample and seed
    large = torch.cat([drawn.content for drawn in noise(x, Code(torch.zeros(4, 5000, 1, 1)), 2, seed=0)])
    assert abs(large.mean()) < 0.02 and abs(large.std() - 1) < 0.02


def test_where_contents_have_a_density_of_each_domain_the_prior_is_their_mixture() -> None:
    torch.manual_seed(0)
    model = DetailAutoencoder(
        domains=("a", "b", "c"), size=16, style=4, width=8, encoder_width=8, prior_width=8
    ).double()
    for parameter in model.decoder["pictures"].parameters():  # so that the domains differ
        parameter.data += 0.1 * torch.randn(parameter.shape, dtype=torch.float64)
    x = torch.rand(5, 3, 16, 16, dtype=torch.float64)
    q, p = model.encode(x), model.prior(torch.arange(3))
    style, densities, kls = q.mean.style, [], []
    assert style is not None and q.style is not None
    for label in range(3):
        of_one = model.prior(torch.full((5,), label))
        assert of_one.style is not None
        normal = torch.distributions.Normal(of_one.style.mean, torch.exp(0.5 * of_one.style.logvar))
        densities.append(of_one.content.log_density(q.mean.content) + normal.log_prob(style).sum(1))  # type: ignore[union-attr]
        kls.append(kl_to_flow(q.content, of_one.content) + kl_divergence(q.style, of_one.style))  # type: ignore[arg-type]
    assert (densities[0] - densities[1]).abs().min() > 1
    torch.testing.assert_close(log_prior(q.mean, p), torch.stack(densities).logsumexp(0) - np.log(3))
    torch.testing.assert_close(kl_to_any_domain(q, p), np.log(3) - (-torch.stack(kls)).logsumexp(0))
