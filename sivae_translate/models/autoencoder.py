"""The autoencoders: images -> posterior, code -> images, and the prior of each domain."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sivae_translate.models.decoder import Decoder
from sivae_translate.models.encoder import BASE, LOGVAR_MAX, LOGVAR_MIN, Encoder, GaussianHead, level_widths
from sivae_translate.models.layers import no_norm
from sivae_translate.types import Code, Distribution, Gaussian, Mixture, Posterior, at_least_float32

SIZES = (16, 32, 64, 128, 256, 512)
INITIAL_SPREAD = 2.0  # standard deviation of the content prior's means at initialisation; a posterior's is 1
PRIOR_LR = 8.0  # times the learning rate: a domain's mean is moved by its own rows alone, and in minutes there are few


def check_network(size: int, patch: int, width: int, max_width: int) -> None:
    """Raise ValueError where no network of that shape can be built."""
    if size not in SIZES:
        raise ValueError(f"size: must be one of {', '.join(map(str, SIZES))}")
    if patch not in (1, 2, 4, 8) or size // patch < 2 * BASE:
        raise ValueError(f"patch: must be 1, 2, 4 or 8, and at most {size // (2 * BASE)} at size {size}")
    if not 16 <= max_width <= 1024:
        raise ValueError("max_width: must be 16 to 1024")
    if not 16 <= width <= max_width:
        raise ValueError("width: must be at least 16, and at most max_width")


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
    """The base of the models: see the protocol `types.Model`.

    Attributes:
        domains: names, in the order of their labels.
        size: pixels on a side of its images.
        content_shape: `(K, g, g)` of the content of a code.
        style_size: S of the style of a code; 0: a single latent.
        lr_multipliers: submodules that learn at a multiple of the learning rate, by their dotted names.
    """

    encoder: Any
    domains: tuple[str, ...]
    size: int
    content_shape: tuple[int, int, int]
    style_size: int = 0
    lr_multipliers: Mapping[str, float] = MappingProxyType({})

    def encode(self, x: Tensor) -> Posterior:
        """Images `[B, 3, H, W]` in [0, 1] -> their posterior q(code | x)."""
        return self.posterior(self.features(x))

    def features(self, x: Tensor) -> dict[int, Tensor]:
        """Images `[B, 3, H, W]` in [0, 1] -> the encoder's features, `[B, C, r, r]` by resolution r, finest first."""
        features: dict[int, Tensor] = self.encoder["features"](x)
        return features

    @abstractmethod
    def posterior(self, features: dict[int, Tensor]) -> Posterior:
        """q(code | x), read from the features of x."""

    @abstractmethod
    def decode(self, code: Code) -> Tensor:
        """Code -> images `[B, 3, H, W]`, nominally in [0, 1] but not clamped."""

    @abstractmethod
    def prior(self, domains: Tensor) -> Distribution:
        """p(code | d) for labels `domains`, int64 `[B]` in 0..D-1, or -1 for no known domain."""

    def mix_styles(self, samples: Code, generator: torch.Generator) -> Code:
        """Codes drawn from the prior, as training decodes them; unchanged where a model mixes no styles."""
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

    def posterior(self, features: dict[int, Tensor]) -> Posterior:
        """q(z | x), content `[B, latent, 1, 1]`."""
        return Posterior(self.encoder["content"](features[BASE].flatten(1)).map(lambda t: t[:, :, None, None]))

    def decode(self, code: Code) -> Tensor:
        """Code -> images `[B, 3, H, W]`, nominally in [0, 1] but not clamped."""
        images: Tensor = self.decoder["image"](code)
        return images

    def prior(self, domains: Tensor) -> Posterior:
        """N(0, I) for every image, `domains` int64 `[B]`."""
        return Posterior(standard_normal(torch.zeros(len(domains), *self.content_shape, device=domains.device)))


class StyleAutoencoder(Autoencoder):
    """Content and style: q(c, s | x) = N(mu_c, I) N(mu_s, sigma_s^2), p(c) = 1/M sum_k N(m_k, I) at each place, and
    p(s | d) = N(m_d, sigma^2).

    The content's variance is fixed at 1, so its KL is a budget of nats in which the domain does not fit. The content's
    prior is a mixture with learned means (Tomczak & Welling 2018, arXiv:1705.07120, whose means are codes of learned
    images). Contents near one of the M means, which all domains share, cost little; a trace of the domain costs.
    The style prior's mean m_d is a learned code per domain, as in LORD (Gabbay & Hoshen 2020), where it is the style
    itself. Its variance is that of the styles within a domain. No known domain, d = -1, has the prior N(0, I).

    Args:
        domains: names, in the order of their labels.
        size: pixels on a side, a power of two in 16..512.
        content: K, channels of the content.
        components: M, of the content's prior.
        content_stride: pixels of the image per place of the content on a side: content is `[K, g, g]` with
            g = size / content_stride, and keeps a layout (pictures). 0: a vector, g = 1 (objects in any pose).
        style: S, dimensions of the style.
        patch: pixels on a side folded into channels before the first convolution.
        width: channels at the finest level, doubling per level up to `max_width`.
    """

    def __init__(
        self,
        *,
        domains: Sequence[str],
        size: int,
        content: int = 8,
        components: int = 128,
        content_stride: int = 0,
        style: int = 64,
        patch: int = 2,
        width: int = 64,
        max_width: int = 256,
    ) -> None:
        super().__init__()
        check_network(size, patch, width, max_width)
        widths = level_widths(size, patch, width, max_width)
        features = Encoder(size, patch, widths, channels=6, norm=no_norm)
        strides = {size // resolution: resolution for resolution in features.resolutions}
        if content_stride and content_stride not in strides:
            allowed = ", ".join(map(str, [0, *strides]))
            raise ValueError(f"content_stride: must be one of {allowed} at size {size}, patch {patch}")
        grid = strides.get(content_stride, 1)
        for key, value, most in (("content", content, 1024), ("style", style, 1024), ("components", components, 4096)):
            if not 1 <= value <= most:
                raise ValueError(f"{key}: must be 1 to {most}")
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
        # The prior is part of the generative model, so the decoder's optimizer learns it. Adversarial steps train the
        # style prior alone; the content prior learns in the VAE's steps.
        self.decoder = nn.ModuleDict(
            {
                "image": Decoder(patch, widths, content, grid, style),
                "prior": StylePrior(len(self.domains), style),
                "components": nn.Embedding(components, content),
            }
        )
        self.lr_multipliers = {"decoder.prior": PRIOR_LR}
        nn.init.normal_(self.decoder["components"].weight, std=INITIAL_SPREAD)  # type: ignore[arg-type]

    def features(self, x: Tensor) -> dict[int, Tensor]:
        """Images `[B, 3, H, W]` in [0, 1] -> features of them and of their detail, as in `Autoencoder`."""
        return super().features(with_detail(x))

    def posterior(self, features: dict[int, Tensor]) -> Posterior:
        """q(c, s | x): content `[B, K, g, g]`, style `[B, S]`."""
        coarse, grid = features[BASE].flatten(1), self.content_shape[1]
        if grid == 1:
            content, style = self.encoder["content"](coarse), self.encoder["style"](coarse)
        else:  # without unit scale, a layout of hundreds of nats diverges at learning rates of 2e-3
            content = self.encoder["content"](unit_scale(features[grid]))
            style = self.encoder["style"](unit_scale(coarse))
        return Posterior(content.map(lambda t: t.view(len(coarse), *self.content_shape)), style)

    def decode(self, code: Code) -> Tensor:
        """Code -> images `[B, 3, H, W]` in (0, 1), by a sigmoid of slope 1 at 0: a white background stays flat."""
        return torch.sigmoid(4 * at_least_float32(self.decoder["image"](code)))

    def prior(self, domains: Tensor) -> Distribution:
        """p(c) p(s | d) for labels `domains`, int64 `[B]` in 0..D-1, or -1 for no known domain."""
        means: Tensor = self.decoder["components"].weight  # type: ignore[assignment]
        style: Gaussian = self.decoder["prior"](domains)
        return Distribution(Mixture(means, (len(domains), *self.content_shape)), style)

    def refit_style_prior(self, domains: Tensor, q: Gaussian) -> None:
        """Move p(s | d) to where KL(q(s | x) || p(s | d)) is least, see `StylePrior.refit`.

        Args:
            domains: labels of images, int64 `[B]` in 0..D-1.
            q: their styles, `[B, S]`.
        """
        self.decoder["prior"].refit(domains, q)  # type: ignore[operator]

    def add_domain(self, name: str, style: Tensor) -> None:
        """Know one domain more, the last, with this style `[S]` as its prior's mean."""
        self.decoder["prior"].add(style)  # type: ignore[operator]
        self.domains = (*self.domains, name)


class StylePrior(nn.Module):
    """p(s | d) = N(m_d, sigma^2), sigma the same for all domains; N(0, I) for no known domain."""

    def __init__(self, domains: int, style: int) -> None:
        super().__init__()
        self.means = nn.Parameter(torch.zeros(domains, style))
        self.logvar = nn.Parameter(torch.zeros(style))

    def forward(self, domains: Tensor) -> Gaussian:
        """Labels int64 `[B]`, -1 for no known domain -> p(s | d), `[B, S]`."""
        known = (domains >= 0)[:, None]
        mean = self.means[domains.clamp(min=0)] * known
        return Gaussian(mean, self.logvar.clamp(LOGVAR_MIN, LOGVAR_MAX) * known)

    @torch.no_grad()
    def refit(self, domains: Tensor, q: Gaussian) -> None:
        """Move to where KL(q || p) is least, its mean over each domain's images and over the domains.

        That is m_d = E_d mu, and sigma^2 = E (sigma_q^2 + (mu - m_d)^2). A domain without images keeps its mean.

        Args:
            domains: labels, int64 `[B]` in 0..D-1.
            q: styles of the images, `[B, S]`.
        """
        variances = []
        for domain in set(domains.tolist()):
            mean, variance = q.mean[domains == domain], q.logvar[domains == domain].exp()
            self.means[domain] = mean.mean(0)
            variances.append((variance + (mean - self.means[domain]).square()).mean(0))
        self.logvar.copy_(torch.stack(variances).mean(0).log().clamp(LOGVAR_MIN, LOGVAR_MAX))

    def add(self, style: Tensor) -> None:
        """One domain more, with this mean `[S]`; all means are frozen from then on."""
        self.means = nn.Parameter(torch.cat([self.means.detach(), style[None].to(self.means)]), False)


def unit_scale(h: Tensor) -> Tensor:
    """Features `[B, ...]` with a root mean square of 1 in each image."""
    square = at_least_float32(h).square().mean(tuple(range(1, h.dim())), keepdim=True)
    return h * torch.rsqrt(square + 1e-4).to(h.dtype)


def with_detail(x: Tensor) -> Tensor:
    """Images beside their local contrast, `[B, C, H, W]` -> `[B, 2 C, H, W]` around 0.

    Local contrast is x less its mean over a quarter of the side each way. Silhouettes drown small parts less in it,
    and the first convolution starts from both signs.
    """
    with torch.autocast(x.device.type, enabled=False):
        x = at_least_float32(x)
        average = running_average(x.shape[-1], x.shape[-1] // 8, x.device).to(x.dtype)
        return torch.cat([x - 0.5, 2 * (x - average @ x @ average.T)], 1)


def running_average(length: int, reach: int, device: torch.device) -> Tensor:
    """Matrix `[length, length]` that gives each pixel of a line the mean over `reach` more on either side.

    The ends of the line are repeated. As a matrix it takes a CPU a twelfth of the time of avg_pool2d.
    """
    around = torch.arange(length, device=device)[:, None] + torch.arange(-reach, reach + 1, device=device)
    return F.one_hot(around.clamp(0, length - 1), length).float().mean(1)
