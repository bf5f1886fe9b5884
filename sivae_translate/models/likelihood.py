"""Bounds on log p(x) under a trained model, for out-of-distribution detection.

The likelihood is p(x | z) = N(x; D(z), beta / 2 I) with the code z = (c, s), the prior 1 / D sum_d p(c | d) p(s | d),
as the domain of a new image is unknown; most models have the same p(c | d) = p(c) for all. Each image is decoded in its
own style. Shapes: B batch, D domains, S style, K samples, M components. Values are in nats per image.

The bound is that of importance-weighted autoencoders (Burda et al. 2016, arXiv:1509.00519). Daniel & Tamar 2021
(arXiv:2012.13253) detect outliers by it.

Training minimises an ELBO of beta = beta_kl / beta_rec only for beta_style = 1. Under a lower beta_style the KL of
styles is large and would outweigh the error. `BETA` follows the maximum of the likelihood instead, where the variance
is the mean squared error (Rybkin et al. 2021, arXiv:2006.13202).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from sivae_translate.errors import UsageError
from sivae_translate.objectives.functional import kl_divergence, kl_of_content, squared_error
from sivae_translate.types import Code, Distribution, Flow, Gaussian, Mixture, Model, Posterior, Scores

BETA = 0.01  # twice the mean squared error of a reconstruction at 23 dB; a standard deviation of 18/255


@torch.no_grad()  # tensors made in inference mode could not take part in gradients later
def score(model: Model, x: Tensor, *, samples: int, seed: int, beta: float) -> Scores:
    """Scores of images `[B, C, H, W]` in [0, 1]; see `Scores`.

    Args:
        model: used through `encode`, `decode`, `prior` and `domains`.
        samples: K, codes drawn for each image.
        seed: of the noise; see `noise`.
        beta: twice the variance of p(x | z).

    Raises:
        UsageError: no samples, or a beta that is not positive.
    """
    if samples < 1:
        raise UsageError(f"samples was {samples}: expected 1 or more")
    if not 0 < beta < math.inf:
        raise UsageError(f"beta was {beta!r}: expected a positive number, twice the variance of p(x | z)")
    q, p = model.encode(x), model.prior(torch.arange(len(model.domains), device=x.device))
    errors, ratios = [], []
    for drawn in noise(x, q.mean, samples, seed):
        z = q.sample(drawn)
        errors.append(squared_error(x, model.decode(z)).cpu().double())
        ratios.append(log_prior(z, p).cpu().double() - log_posterior(z, q).cpu().double())
    constant = -0.5 * x[0].numel() * math.log(math.pi * beta)
    bound = importance_weighted_bound(constant - torch.stack(errors) / beta + torch.stack(ratios))
    rec, kl = torch.stack(errors).mean(0), kl_to_any_domain(q, p).cpu().double()
    return Scores(bound, constant - rec / beta - kl, kl, rec)


def importance_weighted_bound(log_weights: Tensor) -> Tensor:
    """log 1/K sum_k w_k, a lower bound on log p(x) in expectation (Burda et al. 2016, eq. 8); `[K, B]` -> `[B]`.

    The weights are w_k = p(x | z_k) p(z_k) / q(z_k | x). K = 1 is a sample of the ELBO, and the bound rises to
    log p(x) as K grows.
    """
    return torch.logsumexp(log_weights, 0) - math.log(len(log_weights))


def noise(x: Tensor, like: Code, samples: int, seed: int) -> Iterator[Code]:
    """Standard normal codes of the shape of `like`, one for each of the samples.

    The noise of an image is a function of the seed and of the image's pixels at 8 bits, whatever the batch and device.
    """

    def generator(pixels: Tensor) -> torch.Generator:
        digest = hashlib.sha256(f"{seed} ".encode() + pixels.numpy().tobytes()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:8]))

    generators = [generator(pixels) for pixels in (x * 255).round().byte().cpu()]
    for _ in range(samples):
        yield like.map(lambda t: torch.stack([torch.randn(t.shape[1:], generator=g) for g in generators]).to(t.device))


def log_normal(z: Tensor, p: Gaussian) -> Tensor:
    """log N(z; mean, diag exp(logvar)), `[..., n]` -> `[...]`; z and p broadcast."""
    distance = (z - p.mean).square() * torch.exp(-p.logvar)
    return -0.5 * (distance + p.logvar + math.log(2 * math.pi)).sum(-1)


def log_posterior(z: Code, q: Posterior) -> Tensor:
    """log q(z | x), `[B]`."""
    density = log_normal(z.content.flatten(1), q.content.map(lambda t: t.flatten(1)))
    return density if z.style is None or q.style is None else density + log_normal(z.style, q.style)


def log_prior(z: Code, p: Distribution) -> Tensor:
    """log 1/D sum_d p(c | d) p(s | d), `[B]`; `p` has a row per domain."""
    if z.style is None or p.style is None:
        assert not isinstance(p.content, Flow)
        return log_content_prior(z.content, p.content)
    by_domain = log_normal(z.style[:, None], p.style)  # [B, D]
    if isinstance(p.content, Flow):
        by_domain = by_domain + torch.stack([flow.log_density(z.content) for flow in flows(p.content, by_domain)], 1)
        return torch.logsumexp(by_domain, 1) - math.log(by_domain.shape[1])
    return log_content_prior(z.content, p.content) + torch.logsumexp(by_domain, 1) - math.log(by_domain.shape[1])


def flows(p: Flow, by_domain: Tensor) -> Iterator[Flow]:
    """p(c | d) of each domain in turn, B rows each, for `[B, D]`."""
    rows, domains = by_domain.shape
    return (p[torch.full((rows,), d, device=by_domain.device)] for d in range(domains))


def log_content_prior(content: Tensor, p: Gaussian | Mixture) -> Tensor:
    """log p(c) of contents `[B, K, g, g]` -> `[B]`."""
    if not isinstance(p, Mixture):
        return log_normal(content.flatten(1), p.map(lambda t: t[:1].flatten(1)))
    places = content.flatten(2).transpose(1, 2)  # [B, places, K]
    parts = log_normal(places[:, :, None], Gaussian(p.means, torch.zeros_like(p.means)))  # [B, places, M]
    return (torch.logsumexp(parts, -1) - math.log(len(p.means))).sum(1)


def kl_to_any_domain(q: Posterior, p: Distribution) -> Tensor:
    """KL(q(z | x) || p(z)), `[B]`; for a mixture of components or of domains, the upper bound of `kl_to_mixture`."""
    if q.style is None or p.style is None:
        return kl_of_content(q.content, one_row(p.content))
    batch, domains = len(q.style.mean), len(p.style.mean)
    pairs = q.style.map(lambda t: t.repeat_interleave(domains, 0)), p.style.map(lambda t: t.repeat(batch, 1))
    by_domain = kl_divergence(*pairs).view(batch, domains)
    if isinstance(p.content, Flow):
        by_domain = by_domain + torch.stack([kl_of_content(q.content, f) for f in flows(p.content, by_domain)], 1)
        return math.log(domains) - torch.logsumexp(-by_domain, 1)
    return kl_of_content(q.content, one_row(p.content)) + math.log(domains) - torch.logsumexp(-by_domain, 1)


def one_row(p: Gaussian | Mixture | Flow) -> Gaussian | Mixture | Flow:
    """A content prior whose rows are all alike, as one row for any number of contents."""
    return p.map(lambda t: t[:1]) if isinstance(p, Gaussian) else p
