"""The equations, one a function: tensors in, `[B]` out, no mean over the batch (that is taken in one place, by the
objective) unless the equation holds one. Everything is float32: exp and KL lose their meaning in half precision.

The objective of Daniel & Tamar, Soft-IntroVAE, CVPR 2021 (arXiv:2012.13253).
"""

from __future__ import annotations

import torch
from torch import Tensor

from sivae_translate.types import Gaussian


def squared_error(x: Tensor, y: Tensor) -> Tensor:
    """L_r(x, y): squared error of images `[B, C, H, W]`, summed over channels and pixels -> `[B]`."""
    return (x.float() - y.float()).square().flatten(1).sum(1)


def kl_divergence(q: Gaussian, p: Gaussian) -> Tensor:
    """KL(q || p) of diagonal Gaussians `[B, ...]` -> `[B]`, nats per image, summed over dimensions.

    For unit variances it is |mu_q - mu_p|^2 / 2; for q = p it is 0.
    """
    variances = torch.exp(q.logvar - p.logvar)
    distance = (q.mean - p.mean).square() * torch.exp(-p.logvar)
    return 0.5 * (variances + distance - 1 - q.logvar + p.logvar).flatten(1).sum(1)


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
