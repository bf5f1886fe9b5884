"""The equations, one a function: tensors in, `[B]` out, but for `hinge`, whose mean is inside.

Everything is float32 or wider: exp and KL lose their meaning in half precision. B rows, C channels, H W pixels, F
feature channels, r resolution, K content channels on a g x g grid, M components, N = C H W values of an image.

The paper is Daniel & Tamar, Soft-IntroVAE, CVPR 2021 (arXiv:2012.13253).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from sivae_translate.types import Flow, Gaussian, Mixture, at_least_float32

MIN_VARIANCE = 1e-6  # of features, as a dead layer has variance 0


def squared_error(x: Tensor, y: Tensor) -> Tensor:
    """L_r(x, y): squared error of images `[B, C, H, W]`, summed over channels and pixels -> `[B]`."""
    return (at_least_float32(x) - at_least_float32(y)).square().flatten(1).sum(1)


def absolute_error(x: Tensor, y: Tensor) -> Tensor:
    """Absolute error of images `[B, C, H, W]`, summed over channels and pixels -> `[B]`; least for a median."""
    return (at_least_float32(x) - at_least_float32(y)).abs().flatten(1).sum(1)


def feature_error(target: Mapping[int, Tensor], made: Mapping[int, Tensor]) -> Tensor:
    """L_f: squared error of features `[B, F, r, r]`, over the target's variance, mean over the resolutions r -> `[B]`.

    L_f is 0 for equal features and about 1 for constant ones. Larsen et al. 2016 (arXiv:1512.09300, eq. 7) use one
    layer of a discriminator.
    """
    errors = []
    for resolution in target:
        a, b = (at_least_float32(features[resolution]) for features in (target, made))
        errors.append((b - a).square().flatten(1).mean(1) / a.var().clamp(min=MIN_VARIANCE))
    return torch.stack(errors).mean(0)


def kl_divergence(q: Gaussian, p: Gaussian) -> Tensor:
    """KL(q || p) of diagonal Gaussians `[B, ...]` -> `[B]`, nats per image, summed over dimensions.

    For unit variances KL(q || p) = |mu_q - mu_p|^2 / 2.
    """
    variances = torch.exp(q.logvar - p.logvar)
    distance = (q.mean - p.mean).square() * torch.exp(-p.logvar)
    return 0.5 * (variances + distance - 1 - q.logvar + p.logvar).flatten(1).sum(1)


def kl_to_mixture(q: Gaussian, p: Mixture) -> Tensor:
    """Upper bound of KL(q || p) for q `[B, K, g, g]` -> `[B]`, nats per image, summed over places.

    The bound is -log 1/M sum_k exp -KL(q || N(m_k, I)), the variational bound of Hershey & Olsen (ICASSP 2007).
    """
    mean, logvar = (t.flatten(2).transpose(1, 2) for t in (q.mean, q.logvar))  # [B, places, K]
    with torch.autocast(mean.device.type, enabled=False):  # in half precision the squares below would not cancel
        products = mean @ p.means.T  # [B, places, M]; |a - m|^2 = |a|^2 - 2 a m + |m|^2 takes K times less memory
    variances = (torch.exp(logvar) - 1 - logvar).sum(-1)
    nearness = torch.logsumexp(products - 0.5 * p.means.square().sum(-1), -1)
    log_mean = nearness - 0.5 * mean.square().sum(-1) - math.log(len(p.means))
    return (0.5 * variances - log_mean).sum(1)


def place_energy(styles: Tensor, mean: Tensor) -> Tensor:
    """KL(N(s_ij, I) || N(m, I)) = |s_ij - m|^2 / 2 of styles `[B, S, r, r]` to a mean `[B, S]` -> `[B, r, r]`, nats."""
    return 0.5 * (at_least_float32(styles) - mean[:, :, None, None]).square().sum(1)


def entropy(q: Gaussian) -> Tensor:
    """The differential entropy of q `[B, ...]` -> `[B]`, nats, summed over dimensions."""
    return 0.5 * (1 + math.log(2 * math.pi) + q.logvar).flatten(1).sum(1)


def kl_to_flow(q: Gaussian, p: Flow) -> Tensor:
    """KL(q || p) for q `[B, 3, H, W]` -> `[B]`, nats per image, by `Flow.log_density` under the variance of q."""
    return -entropy(q) - p.log_density(q.mean, torch.exp(q.logvar).mean())


def kl_of_content(q: Gaussian, p: Gaussian | Mixture | Flow) -> Tensor:
    """KL(q || p) of contents `[B, K, g, g]` -> `[B]`, nats per image; of a mixture the bound `kl_to_mixture`."""
    if isinstance(p, Gaussian):
        return kl_divergence(q, p)
    return kl_to_mixture(q, p) if isinstance(p, Mixture) else kl_to_flow(q, p)


def negative_elbo(error: Tensor, kl: Tensor, *, numel: int, beta_rec: float, beta_kl: float) -> Tensor:
    """beta_rec L_r / N + beta_kl KL, `[B]` and `[B]` -> `[B]`.

    The paper writes s (b_rec L_r + b_kl KL) with s = 1 / N, so its b_kl is N times our beta_kl.

    Args:
        numel: N, the values of an image.
    """
    return beta_rec * error / numel + beta_kl * kl


def exponential_elbo(
    error: Tensor, kl: Tensor, *, numel: int, beta_rec: float, beta_neg: float, alpha: float
) -> Tensor:
    """(1 / alpha) exp(-alpha (beta_rec L_r / N + beta_neg KL)), `[B]` and `[B]` -> `[B]` in (0, 1 / alpha].

    The encoder's adversarial term for a generated image is large while its ELBO is high.
    """
    return torch.exp(-alpha * (beta_rec * error / numel + beta_neg * kl)) / alpha


def hinge(kl: Tensor, margin: float) -> Tensor:
    """max(0, margin - mean KL), IntroVAE's adversarial term for one kind of generated image (Huang et al. 2018).

    `[B]` in nats -> a scalar in [0, margin]. The mean is taken inside the maximum.
    """
    return torch.relu(margin - kl.mean())
