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
from sivae_translate.models.layers import AdaGN, AdaIN, group_norm, no_norm
from sivae_translate.types import Code, Distribution, Gaussian, Mixture, Posterior, at_least_float32

SIZES = (16, 32, 64, 128, 256, 512)
INITIAL_SPREAD = 2.0  # standard deviation of the content prior's means at initialisation; that of a posterior is 1
PRIOR_LR = 8.0  # lr multiplier of the style prior: each mean has gradients only from rows of its own domain


def check_network(size: int, patch: int, width: int, max_width: int) -> None:
    """Raise ValueError for an impossible combination of sizes."""
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
    """An encoder with a single latent: a Gaussian of learned variance, read from the coarsest features.

    Raises ValueError where `latent` is not in 1..4096.
    """
    if not 1 <= latent <= 4096:
        raise ValueError("latent: must be 1 to 4096")
    head = GaussianHead(nn.Linear(widths[-1] * BASE**2, 2 * latent), learned_variance=True)
    return nn.ModuleDict({"features": Encoder(size, patch, widths), "content": head})


class Autoencoder(nn.Module, ABC):
    """The base class of the models; see the protocol `types.Model`.

    Attributes:
        domains: names, in the order of their labels.
        size: side of the images in pixels.
        content_shape: `(K, g, g)`, the shape of a code's content.
        style_size: S, dimensions of a code's style; 0 for a single latent.
        lr_multipliers: multipliers of the learning rate, by the dotted names of submodules.
    """

    encoder: Any
    decoder: Any
    domains: tuple[str, ...]
    size: int
    content_shape: tuple[int, int, int]
    style_size: int = 0
    lr_multipliers: Mapping[str, float] = MappingProxyType({})

    def encode(self, x: Tensor) -> Posterior:
        """Images `[B, 3, H, W]` in [0, 1] -> q(code | x)."""
        return self.posterior(self.features(x))

    def features(self, x: Tensor) -> dict[int, Tensor]:
        """Images `[B, 3, H, W]` in [0, 1] -> the encoder's features, `[B, C, r, r]` by resolution r, finest first."""
        features: dict[int, Tensor] = self.encoder["features"](x)
        return features

    @abstractmethod
    def posterior(self, features: dict[int, Tensor]) -> Posterior:
        """q(code | x), read from the features of x."""

    def style_places(self, features: dict[int, Tensor]) -> Tensor:
        """The style's mean as that of a single place, `[B, S, 1, 1]`; see `types.Model`."""
        style = self.posterior(features).style
        assert style is not None
        return style.mean[:, :, None, None]

    @abstractmethod
    def decode(self, code: Code) -> Tensor:
        """Code -> images `[B, 3, H, W]`, nominally in [0, 1] but not clamped."""

    @abstractmethod
    def prior(self, domains: Tensor) -> Distribution:
        """p(code | d) for labels `domains`, int64 `[B]` in 0..D-1, or -1 for no known domain."""

    def standard_content(self, domains: Tensor) -> Gaussian:
        """N(0, I) for the content of every row of `domains`, in the type of the weights."""
        dtype = next(self.parameters()).dtype
        return standard_normal(torch.zeros(len(domains), *self.content_shape, device=domains.device, dtype=dtype))

    def mix_styles(self, samples: Code, generator: torch.Generator) -> Code:
        """Samples of the prior, unchanged; a model with style mixing overrides this method."""
        return samples


class ConvAutoencoder(Autoencoder):
    """The paper's convolutional Soft-IntroVAE: one latent vector with learned variance, prior N(0, I).

    Networks of Daniel & Tamar 2021, appendix, with group norm in place of BatchNorm, so that train and eval mode agree.
    The defaults at size 32 give the paper's CIFAR-10 networks (64-128-256).

    Args:
        domains: names, in the order of their labels; without effect on a single latent.
        size: side of the images in pixels, a power of two in 16..512.
        latent: dimensions of z, 1..4096. More hold more detail, and raise the KL.
        patch: side in pixels of the patches folded into channels before the first convolution: 1, 2, 4 or 8. Larger:
            faster steps, less detail. The paper has 1.
        width: channels at the finest level, doubling per level up to `max_width`; 16 or more. Wider: sharper, slower.
        max_width: largest number of channels, 16..1024. Raise it with the size of the images.
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
        self.decoder = nn.ModuleDict({"image": Decoder(patch, widths, latent, 1, group_norm)})

    def posterior(self, features: dict[int, Tensor]) -> Posterior:
        """q(z | x), content `[B, latent, 1, 1]`."""
        return Posterior(self.encoder["content"](features[BASE].flatten(1)).map(lambda t: t[:, :, None, None]))

    def decode(self, code: Code) -> Tensor:
        """Code -> images `[B, 3, H, W]`, nominally in [0, 1] but not clamped."""
        images: Tensor = self.decoder["image"](code)
        return images

    def prior(self, domains: Tensor) -> Posterior:
        """N(0, I) for every image, `domains` int64 `[B]`."""
        return Posterior(self.standard_content(domains))


class TranslatingAutoencoder(Autoencoder):
    """The base class of the models with content and style, whose style prior is `decoder["prior"]`."""

    def refit_style_prior(self, domains: Tensor, q: Gaussian) -> None:
        """Refit p(s | d) to styles of images; see `StylePrior.refit`.

        Args:
            domains: labels of the images, int64 `[B]` in 0..D-1.
            q: styles of the images, `[B, S]`.
        """
        self.decoder["prior"].refit(domains, q)  # type: ignore[operator]

    def add_domain(self, name: str, style: Tensor) -> None:
        """Append a domain whose style prior has the mean `style`, `[S]`."""
        self.decoder["prior"].add(style)  # type: ignore[operator]
        self.domains = (*self.domains, name)


class StyleAutoencoder(TranslatingAutoencoder):
    """Content and style with separate posteriors and priors.

        posterior:  q(c, s | x) = N(mu_c, I) N(mu_s, sigma_s^2)
        prior:      p(c) = 1/M sum_k N(m_k, I) at each place, p(s | d) = N(m_d, sigma^2)

    The fixed unit variance of the content limits its KL to a few nats, too few for the domain beside the pose. The
    content prior is a mixture with learned means, after VampPrior (Tomczak & Welling 2018, arXiv:1705.07120). All
    domains share its M means, so a trace of the domain in the content raises the KL. The style prior has a learned mean
    per domain, after the domain codes of LORD (Gabbay & Hoshen 2020), and one variance for the styles within domains.
    For no known domain, d = -1, the style prior is N(0, I).

    Args:
        domains: names, in the order of their labels.
        size: side of the images in pixels, a power of two in 16..512.
        content: K, channels of the content, 1..1024. Lower it where content leaks the domain.
        components: M, number of components of the content prior, 1..4096. Leave it at 128.
        content_stride: pixels of the image per place of the content, along one side. The content then keeps a layout,
            `[K, g, g]` with g = size / content_stride, 4 or more (pictures). 0: a vector, g = 1 (objects in any pose).
        style: S, dimensions of the style, 1..1024. Leave it at 64.
        patch: side in pixels of the patches folded into channels before the first convolution: 1, 2, 4 or 8. Larger:
            faster steps, less detail.
        width: channels at the finest level, doubling per level up to `max_width`; 16 or more. Wider: sharper, slower.
        max_width: largest number of channels, 16..1024. Raise it with the size of the images.
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
        # For a vector content, all colours come from the style. A layout has colours of its own, and instance norm
        # removes those that fill the image.
        modulated = AdaIN if grid == 1 else AdaGN
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
                "image": Decoder(patch, widths, content, grid, lambda channels: modulated(channels, style)),
                "prior": StylePrior(len(self.domains), style),
                "components": nn.Embedding(components, content),
            }
        )
        self.lr_multipliers = {"decoder.prior": PRIOR_LR}
        nn.init.normal_(self.decoder["components"].weight, std=INITIAL_SPREAD)  # type: ignore[arg-type]

    def features(self, x: Tensor) -> dict[int, Tensor]:
        """Features of images and of their local contrast; see `Autoencoder.features` and `with_detail`."""
        return super().features(with_detail(x))

    def posterior(self, features: dict[int, Tensor]) -> Posterior:
        """q(c, s | x): content `[B, K, g, g]`, style `[B, S]`."""
        coarse, grid = features[BASE].flatten(1), self.content_shape[1]
        if grid == 1:
            content, style = self.encoder["content"](coarse), self.encoder["style"](coarse)
        else:  # without unit scale, training with a layout of hundreds of nats diverges at learning rates of 2e-3
            content = self.encoder["content"](unit_scale(features[grid]))
            style = self.encoder["style"](unit_scale(coarse))
        return Posterior(content.map(lambda t: t.view(-1, *self.content_shape)), style)

    def decode(self, code: Code) -> Tensor:
        """Code -> images `[B, 3, H, W]` in (0, 1). The sigmoid, of slope 1 at 0, keeps white backgrounds flat."""
        return torch.sigmoid(4 * self.image_of(code))

    def image_of(self, code: Code) -> Tensor:
        """Code -> images `[B, 3, H, W]` around 0, before the sigmoid."""
        return at_least_float32(self.decoder["image"](code))

    def prior(self, domains: Tensor) -> Distribution:
        """p(c) p(s | d) for labels `domains`, int64 `[B]` in 0..D-1, or -1 for no known domain."""
        means: Tensor = self.decoder["components"].weight  # type: ignore[assignment]
        style: Gaussian = self.decoder["prior"](domains)
        return Distribution(Mixture(means, (len(domains), *self.content_shape)), style)


class StylePrior(nn.Module):
    """p(s | d) = N(m_d, sigma^2) with one sigma for all domains; N(0, I) for no known domain."""

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
        """Minimise KL(q || p) in closed form, averaged over the images of each domain and then over domains.

        The minimum is m_d = E_d mu and sigma^2 = E (sigma_q^2 + (mu - m_d)^2). A domain without images keeps its mean.

        Args:
            domains: labels, int64 `[B]` in 0..D-1.
            q: styles of the images, `[B, S]`.
        """
        count = domains.bincount(minlength=len(self.means))[:, None]
        found = count[:, 0] > 0

        def averaged(values: Tensor) -> Tensor:
            """Rows `[B, S]` -> their mean in each domain, `[D, S]`; 0 for a domain without images."""
            return torch.zeros_like(self.means).index_add(0, domains, values.to(self.means)) / count.clamp(min=1)

        means = averaged(q.mean)
        variances = averaged(q.logvar.exp() + (q.mean - means[domains]).square())
        self.means[found] = means[found]
        self.logvar.copy_(variances[found].mean(0).log().clamp(LOGVAR_MIN, LOGVAR_MAX))

    def add(self, style: Tensor) -> None:
        """One domain more, with this mean `[S]`; all means are frozen from then on."""
        self.means = nn.Parameter(torch.cat([self.means.detach(), style[None].to(self.means)]), False)


def unit_scale(h: Tensor) -> Tensor:
    """Features `[B, ...]` divided by their root mean square in each image."""
    square = at_least_float32(h).square().mean(tuple(range(1, h.dim())), keepdim=True)
    return h * torch.rsqrt(square + 1e-4).to(h.dtype)


def with_detail(x: Tensor) -> Tensor:
    """Images beside their local contrast, `[B, C, H, W]` -> `[B, 2 C, H, W]` around 0.

    Local contrast is x minus its moving average over a window of a quarter of the side. Small parts are then not
    dominated by the silhouette, and the input has values of both signs.
    """
    with torch.autocast(x.device.type, enabled=False):
        x = at_least_float32(x)
        average = running_average(x.shape[-1], x.shape[-1] // 8, x.device).to(x.dtype)
        return torch.cat([x - 0.5, 2 * (x - average @ x @ average.T)], 1)


def running_average(length: int, reach: int, device: torch.device) -> Tensor:
    """Matrix `[length, length]` of a moving average over 2 reach + 1 pixels of a line, whose ends are repeated.

    On a CPU the matrix product takes a twelfth of the time of avg_pool2d.
    """
    around = torch.arange(length, device=device)[:, None] + torch.arange(-reach, reach + 1, device=device)
    return F.one_hot(around.clamp(0, length - 1), length).float().mean(1)
