"""The step of Soft-IntroVAE as the paper's algorithm has it: every pass of both phases computed anew, in full.

Daniel & Tamar, CVPR 2021 (arXiv:2012.13253), algorithm 1, with s = 1 / N and the weights of their losses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sivae_translate.models import ConvAutoencoder
from sivae_translate.types import Code, Gaussian


@dataclass(frozen=True)
class PaperWeights:
    """b_rec, b_kl, b_neg and gamma_r of the paper for CIFAR-10, and its exponent's alpha."""

    rec: float = 1.0
    kl: float = 1.0
    neg: float = 256.0
    alpha: float = 2.0
    gamma_r: float = 1e-8


@dataclass(frozen=True)
class Noise:
    """Standard normal noise of the codes, `[B, K, 1, 1]` each.

    Attributes:
        real, prior: of the images' posteriors, and the samples' codes.
        encoder, decoder: of the posteriors of reconstructions and of samples, in each phase.
    """

    real: Tensor
    prior: Tensor
    encoder: tuple[Tensor, Tensor]
    decoder: tuple[Tensor, Tensor]

    @staticmethod
    def draw(model: ConvAutoencoder, x: Tensor) -> Noise:
        real, prior, *rest = (torch.randn(len(x), *model.content_shape, device=x.device) for _ in range(6))
        return Noise(real, prior, (rest[0], rest[1]), (rest[2], rest[3]))


def literal_step(
    model: ConvAutoencoder,
    x: Tensor,
    noise: Noise,
    weights: PaperWeights,
    update: Callable[[str, Tensor], None],
) -> None:
    """Both phases on the images x, `[B, C, H, W]`.

    Args:
        update: takes "encoder" or "decoder", and the loss by which that part is to be updated.
    """
    scale = 1 / x[0].numel()

    def encode(images: Tensor, noise: Tensor) -> tuple[Gaussian, Tensor]:
        q = model.encode(images).content
        return q, q.sample(noise)

    def decode(z: Tensor) -> Tensor:
        return model.decode(Code(z))

    def error(a: Tensor, b: Tensor) -> Tensor:
        return (a - b).square().flatten(1).sum(1)

    def kl(q: Gaussian) -> Tensor:
        return 0.5 * (q.mean.square() + q.logvar.exp() - 1 - q.logvar).flatten(1).sum(1)

    def exponential(image: Tensor, noise: Tensor) -> Tensor:
        q, z = encode(image.detach(), noise)
        negative_elbo = weights.rec * error(image, decode(z)) + weights.neg * kl(q)
        return (-weights.alpha * scale * negative_elbo).exp().mean() / weights.alpha

    q, z = encode(x, noise.real)
    rec, fake = decode(z), decode(noise.prior)
    loss = scale * (weights.rec * error(x, rec) + weights.kl * kl(q)).mean()
    update("encoder", loss + 0.5 * sum(exponential(*pair) for pair in zip((rec, fake), noise.encoder, strict=True)))

    rec, fake = decode(z.detach()), decode(noise.prior)
    loss = scale * weights.rec * error(x, rec).mean()
    for image, each in zip((rec, fake), noise.decoder, strict=True):
        q, z_image = encode(image, each)
        again = error(image.detach(), decode(z_image.detach()))
        loss = loss + 0.5 * scale * (weights.kl * kl(q) + weights.gamma_r * weights.rec * again).mean()
    update("decoder", loss)
