"""The step of Soft-IntroVAE as the paper's algorithm has it: every pass of both phases computed anew, in full.

Daniel & Tamar, CVPR 2021 (arXiv:2012.13253), algorithm 1, with s = 1 / N and the weights of their losses. The networks
are transcribed here operation by operation, so that they share our weights, but none of our shorter ways.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sivae_translate.models import ConvAutoencoder
from sivae_translate.models.layers import ResidualBlock
from sivae_translate.types import Gaussian


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
        q = posterior(model, images)
        return q, q.sample(noise)

    def decode(z: Tensor) -> Tensor:
        return decoded(model, z)

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


def posterior(model: ConvAutoencoder, x: Tensor) -> Gaussian:
    """q(z | x) of images `[B, C, H, W]`, with mean and log-variance `[B, K, 1, 1]`."""
    network: Any = model.encoder["features"]
    h = leaky(network.stem(F.pixel_unshuffle(x, network.patch)))
    for block in network.blocks:
        h = residual(block, F.avg_pool2d(h, 2))
    q: Gaussian = model.encoder["content"](h.flatten(1))
    return q.map(lambda t: t[:, :, None, None])


def decoded(model: ConvAutoencoder, z: Tensor) -> Tensor:
    """Images of codes `[B, K, 1, 1]`."""
    network: Any = model.decoder["image"]
    h = leaky(network.project(z.flatten(1))).view(len(z), -1, network.start, network.start)
    for level, block in enumerate(network.blocks):
        h = residual(block, h if level == 0 else F.interpolate(h, scale_factor=2))
    return F.pixel_shuffle(network.output(h), network.patch)


def residual(block: ResidualBlock, h: Tensor) -> Tensor:
    """A residual block on an input that is upsampled already."""
    y = leaky(block.norm1(block.conv1(h)))
    return leaky(block.norm2(block.conv2(y)) + block.skip(h))


def leaky(h: Tensor) -> Tensor:
    return F.leaky_relu(h, 0.2)
