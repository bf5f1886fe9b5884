"""The equations, one a function: tensors in, `[B]` out, no mean over the batch (that is taken in one place, by the
objective) unless the equation holds one. Everything is float32: exp and KL lose their meaning in half precision.

The objective of Daniel & Tamar, Soft-IntroVAE, CVPR 2021 (arXiv:2012.13253).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from sivae_translate.types import Gaussian, Mixture

TINY = 1e-6  # the least variance of features: a layer may be dead


def squared_error(x: Tensor, y: Tensor) -> Tensor:
    """L_r(x, y): squared error of images `[B, C, H, W]`, summed over channels and pixels -> `[B]`."""
    return (x.float() - y.float()).square().flatten(1).sum(1)


def feature_error(wanted: Mapping[int, Tensor], made: Mapping[int, Tensor]) -> Tensor:
    """Squared error of features `[B, C, r, r]` at each resolution r, relative to the variance of those wanted (over the
    batch), and its mean over resolutions -> `[B]`; 0 for equal features, about 1 for constant ones.

    Larsen et al. 2016 (arXiv:1512.09300, eq. 7) have one level of the discriminator.
    """
    errors = [
        (b.float() - a.float()).square().flatten(1).mean(1) / a.float().var().clamp(min=TINY)
        for a, b in ((wanted[r], made[r]) for r in wanted)
    ]
    return torch.stack(errors).mean(0)


def kl_divergence(q: Gaussian, p: Gaussian) -> Tensor:
    """KL(q || p) of diagonal Gaussians `[B, ...]` -> `[B]`, nats per image, summed over dimensions.

    For unit variances it is |mu_q - mu_p|^2 / 2; for q = p it is 0.
    """
    variances = torch.exp(q.logvar - p.logvar)
    distance = (q.mean - p.mean).square() * torch.exp(-p.logvar)
    return 0.5 * (variances + distance - 1 - q.logvar + p.logvar).flatten(1).sum(1)


def kl_to_mixture(q: Gaussian, p: Mixture) -> Tensor:
    """An upper bound of KL(q || p) for q `[B, K, g, g]` -> `[B]`, nats per image, summed over places:
    -log 1/M sum_k exp -KL(q || N(m_k, I)), the variational one of Hershey & Olsen (ICASSP 2007)."""
    mean, logvar = (t.flatten(2).transpose(1, 2) for t in (q.mean, q.logvar))  # [B, places, K]
    distance = (mean[:, :, None] - p.means).square().sum(-1)  # [B, places, M]
    width = (torch.exp(logvar) - 1 - logvar).sum(-1)
    nearest = torch.logsumexp(-0.5 * distance, -1) - math.log(len(p.means))
    return (0.5 * width - nearest).sum(1)


def negative_elbo(error: Tensor, kl: Tensor, *, scale: float, beta_rec: float, beta_kl: float) -> Tensor:
    """scale * (beta_rec * L_r + beta_kl * KL): the negative ELBO with the paper's weights, `[B]` -> `[B]`."""
    return scale * (beta_rec * error + beta_kl * kl)


def repulsion(error: Tensor, kl: Tensor, *, scale: float, beta_rec: float, beta_neg: float, alpha: float) -> Tensor:
    """(1 / alpha) exp(-alpha * scale * (beta_rec * L_r + beta_neg * KL)): the encoder's term for generated images.

    `[B]` -> `[B]` in (0, 1 / alpha]: large for a generated image that the encoder takes for real.
    """
    return torch.exp(-alpha * scale * (beta_rec * error + beta_neg * kl)) / alpha


def hinge(kl: Tensor, margin: float) -> Tensor:
    """max(0, margin - mean KL): IntroVAE's term for one kind of generated image (Huang et al. 2018, encoder's loss).

    `[B]` in nats -> a scalar in [0, margin]. The mean is inside, so images beyond the margin make up for others.
    """
    return torch.relu(margin - kl.mean())
