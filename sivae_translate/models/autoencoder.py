"""The autoencoders an objective plays with: images -> posterior, code -> images, and the prior of each domain."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sivae_translate.models.decoder import Decoder
from sivae_translate.models.encoder import BASE, Encoder, GaussianHead, level_widths
from sivae_translate.types import Code, Gaussian, Latents

SIZES = (16, 32, 64, 128, 256, 512)


def check_network(size: int, patch: int, width: int, max_width: int) -> None:
    """Raise ValueError where no network of that shape can be built."""
    if size not in SIZES:
        raise ValueError(f"size: must be one of {', '.join(map(str, SIZES))}")
    if patch not in (1, 2, 4) or size // patch < 2 * BASE:
        raise ValueError(f"patch: must be 1, 2 or 4, and at most {size // (2 * BASE)} at size {size}")
    if not 16 <= width <= max_width <= 1024:
        raise ValueError("width: must be at least 16, at most max_width, which must be at most 1024")


def standard_normal(like: Tensor) -> Gaussian:
    return Gaussian(torch.zeros_like(like), torch.zeros_like(like))


def single_latent_encoder(size: int, patch: int, widths: list[int], latent: int) -> nn.ModuleDict:
    """The plain encoder's features and, from its coarsest, a Gaussian of learned variance over one latent.

    Raises ValueError where `latent` is not in 1..4096.
    """
    if not 1 <= latent <= 4096:
        raise ValueError("latent: must be 1 to 4096")
    head = GaussianHead(nn.Linear(widths[-1] * BASE**2, 2 * latent), learned_variance=True)
    return nn.ModuleDict({"features": Encoder(size, patch, widths), "content": head})


class Autoencoder(nn.Module, ABC):
    """Two players, `encoder` and `decoder`, and the prior. An objective and the translator know no more of a model.

    Attributes:
        domains: names, in the order of their labels.
        size: pixels on a side of its images.
        content_shape: `(K, g, g)` of the content of a code.
        style_size: S of the style of a code; 0: a single latent.
    """

    domains: tuple[str, ...]
    size: int
    content_shape: tuple[int, int, int]
    style_size: int = 0

    @abstractmethod
    def encode(self, x: Tensor) -> Latents:
        """Images `[B, 3, H, W]` in [0, 1] -> their posterior q(code | x)."""

    @abstractmethod
    def decode(self, code: Code) -> Tensor:
        """Code -> images `[B, 3, H, W]`, nominally in [0, 1] but not clamped."""

    @abstractmethod
    def prior(self, domains: Tensor) -> Latents:
        """p(code | d) for labels `domains`, int64 `[B]` in 0..D-1, or -1 for no known domain."""

    def mixed(self, samples: Code, generator: torch.Generator) -> Code:
        """Codes drawn from the prior as training decodes them: as they are, where a model mixes no styles."""
        return samples


class ConvAutoencoder(Autoencoder):
    """The paper's convolutional Soft-IntroVAE: one latent vector with learned variance, prior N(0, I).

    Daniel & Tamar 2021, appendix; their BatchNorm is a group norm here, so that train and eval mode agree. At size
    32, width 64, max_width 256 these are the paper's CIFAR-10 networks (64-128-256).

    Args:
        domains: names, in the order of their labels; a single latent knows nothing of them.
        size: pixels on a side, a power of two in 16..512.
        latent: dimensions of z.
        patch: pixels on a side folded into channels before the first convolution; 1 in the paper.
        width: channels at the finest level, doubling per level up to `max_width`.
    """

    def __init__(
        self,
        *,
        domains: Sequence[str],
        size: int,
        latent: int = 128,
        patch: int = 1,
        width: int = 64,
        max_width: int = 256,
    ) -> None:
        super().__init__()
        check_network(size, patch, width, max_width)
        self.domains, self.size = tuple(domains), size
        self.content_shape = (latent, 1, 1)
        widths = level_widths(size, patch, width, max_width)
        self.encoder = single_latent_encoder(size, patch, widths, latent)
        self.decoder = nn.ModuleDict({"image": Decoder(patch, widths, latent, grid=1, style=0)})

    def encode(self, x: Tensor) -> Latents:
        """Images `[B, 3, H, W]` in [0, 1] -> q(z | x), content `[B, latent, 1, 1]`."""
        features = self.encoder["features"](x)
        return Latents(self.encoder["content"](features[BASE].flatten(1)).map(lambda t: t[:, :, None, None]))

    def decode(self, code: Code) -> Tensor:
        """Code -> images `[B, 3, H, W]`, nominally in [0, 1] but not clamped."""
        images: Tensor = self.decoder["image"](code)
        return images

    def prior(self, domains: Tensor) -> Latents:
        """N(0, I) for every image, `domains` int64 `[B]`."""
        return Latents(standard_normal(torch.zeros(len(domains), *self.content_shape, device=domains.device)))


class StyleAutoencoder(Autoencoder):
    """Content and style: q(c, s | x) = N(mu_c, I) N(mu_s, sigma_s^2), p(c) = N(0, I), p(s | d) = N(m_d, I).

    Content has fixed unit variance: then KL = |mu_c|^2 / 2 is a budget in which the domain does not fit, whereas a
    learned variance lets it through. The style prior's mean m_d is a learned code per domain (as in LORD, Gabbay &
    Hoshen 2020, where it is the style itself); d = -1, no known domain, has the prior N(0, I).

    Args:
        domains: names, in the order of their labels.
        size: pixels on a side, a power of two in 16..512.
        content: K, channels of the content.
        grid: g, content is `[K, g, g]`; 1 is a vector (objects in any pose), 4 or more keeps the layout (photos).
        style: S, dimensions of the style.
        patch: pixels on a side folded into channels before the first convolution.
        width: channels at the finest level, doubling per level up to `max_width`.
    """

    def __init__(
        self,
        *,
        domains: Sequence[str],
        size: int,
        content: int = 32,
        grid: int = 1,
        style: int = 64,
        patch: int = 2,
        width: int = 64,
        max_width: int = 256,
    ) -> None:
        super().__init__()
        check_network(size, patch, width, max_width)
        widths = level_widths(size, patch, width, max_width)
        features = Encoder(size, patch, widths)
        if grid not in (1, *features.resolutions):
            allowed = ", ".join(map(str, [1, *features.resolutions[::-1]]))
            raise ValueError(f"grid: must be one of {allowed} at size {size}, patch {patch}")
        if not 1 <= content <= 1024 or not 1 <= style <= 1024:
            raise ValueError("content: must be 1 to 1024, and so must style")
        self.domains, self.size = tuple(domains), size
        self.content_shape = (content, grid, grid)
        self.style_size = style
        coarse = widths[-1] * BASE**2
        content_layer = nn.Linear(coarse, content)
        if grid > 1:
            content_layer = nn.Conv2d(widths[features.resolutions.index(grid)], content, 1)  # type: ignore[assignment]
        self.encoder = nn.ModuleDict(
            {
                "features": features,
                "content": GaussianHead(content_layer, learned_variance=False),
                "style": GaussianHead(nn.Linear(coarse, 2 * style), learned_variance=True),
            }
        )
        # The prior is half of the generative model, so its means are the decoder's to learn.
        self.decoder = nn.ModuleDict(
            {"image": Decoder(patch, widths, content, grid, style), "domains": nn.Embedding(len(self.domains), style)}
        )

    def encode(self, x: Tensor) -> Latents:
        """Images `[B, 3, H, W]` in [0, 1] -> q(c, s | x): content `[B, K, g, g]`, style `[B, S]`."""
        features = self.encoder["features"](x)
        coarse, grid = features[BASE].flatten(1), self.content_shape[1]
        content = self.encoder["content"](features[grid] if grid > 1 else coarse)
        return Latents(content.map(lambda t: t.view(len(x), *self.content_shape)), self.encoder["style"](coarse))

    def decode(self, code: Code) -> Tensor:
        """Code -> images `[B, 3, H, W]`, nominally in [0, 1] but not clamped."""
        images: Tensor = self.decoder["image"](code)
        return images

    def prior(self, domains: Tensor) -> Latents:
        """p(c) p(s | d) for labels `domains`, int64 `[B]` in 0..D-1, or -1 for no known domain."""
        content = standard_normal(torch.zeros(len(domains), *self.content_shape, device=domains.device))
        known = (domains >= 0)[:, None]
        mean = self.decoder["domains"](domains.clamp(min=0)) * known
        return Latents(content, Gaussian(mean, torch.zeros_like(mean)))
