"""An autoencoder for pictures: the content is the picture itself under noise, and a U-Net redraws it in a style."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sivae_translate.models.autoencoder import (
    PRIOR_LR,
    StylePrior,
    TranslatingAutoencoder,
    check_network,
    with_detail,
)
from sivae_translate.models.layers import SLOPE
from sivae_translate.models.pyramid import Pyramid
from sivae_translate.models.unet import UNet
from sivae_translate.types import Code, Distribution, Gaussian, Posterior, at_least_float32

NOISE = 0.05  # the content's standard deviation, 13 of 255 levels
WIDTHS = (1, 2, 4, 4)  # of the U-Net, finest first, times its width
PLACE = 4  # pixels per place of the encoder's style, along one side; a place sees 30 x 30 pixels
SPREAD = 0.1  # standard deviation of a style
APART = 1.5  # norm of a domain's mean style; these are at right angles, so two domains are APART^2 nats apart


class DetailAutoencoder(TranslatingAutoencoder):
    """Content and style of pictures that keep their layout and their detail.

    The content is the picture, and nothing is lost but what noise of `NOISE` hides. So it holds the domain as well:
    what parts content and style is an objective that trains the decoder with contents of other domains, such as
    `iterative-back-translation`.

        posterior:  q(c, s | x) = N(x - 1/2, NOISE^2) N(sum_d q(d | x) m_d, SPREAD^2)
        prior:      p(c | d) a `Pyramid`, p(s | d) = N(m_d, SPREAD^2)

    The encoder reads a style s_ij at every place, by which an objective may judge patches. From the mean features of
    all places it reads h, and q(d | x) is proportional to N(h; m_d, I). So the style of an image is that of its domain,
    or between those of several.

    The pyramid learns in minutes, and its transport from one domain's pictures to another's is a first translation.

    Args:
        domains: names, in the order of their labels.
        size: side of the images in pixels, a power of two in 16..512.
        style: S, dimensions of the style, 1..1024.
        width: channels of the U-Net at the finest level, 8..256; doubling twice. Wider: better, slower.
        encoder_width: channels of the encoder at half of the images' resolution, 8..256; twice as many at a quarter.
        prior_width: channels of the pyramid's networks, 8..256.
    """

    def __init__(
        self,
        *,
        domains: Sequence[str],
        size: int,
        style: int = 16,
        width: int = 16,
        encoder_width: int = 32,
        prior_width: int = 48,
    ) -> None:
        super().__init__()
        check_network(size, 1, 16, 16)
        for key, value, least, most in (
            ("style", style, 1, 1024),
            ("width", width, 8, 256),
            ("encoder_width", encoder_width, 8, 256),
            ("prior_width", prior_width, 8, 256),
        ):
            if not least <= value <= most:
                raise ValueError(f"{key}: must be {least} to {most}")
        self.domains, self.size = tuple(domains), size
        self.content_shape, self.style_size = (3, size, size), style
        self.encoder = nn.ModuleDict(
            {
                "features": PatchEncoder(encoder_width),
                "style": nn.Conv2d(2 * encoder_width, style, 1),
                "domain": nn.Linear(2 * encoder_width, style),
            }
        )
        self.decoder = nn.ModuleDict(
            {
                "image": UNet([width * times for times in WIDTHS], style),
                "prior": StylePrior(len(self.domains), style),
                "pictures": Pyramid(len(self.domains), size, prior_width),
            }
        )
        self.lr_multipliers = {"decoder.prior": PRIOR_LR}
        spread = max(1, len(self.domains) / style) ** 0.5  # rows that outnumber the dimensions are shorter than 1
        nn.init.orthogonal_(self.decoder["prior"].means, gain=APART * spread)
        nn.init.constant_(self.decoder["prior"].logvar, 2 * math.log(SPREAD))

    def features(self, x: Tensor) -> dict[int, Tensor]:
        """Features of places, and the images themselves at their own resolution.

        Places are those of local contrast, see `with_detail`. An encoder of colours drives the decoder to other hues.
        """
        return {self.size // PLACE: self.encoder["features"](with_detail(x)[:, 3:]), self.size: x}

    def posterior(self, features: dict[int, Tensor]) -> Posterior:
        """q(c, s | x): content `[B, 3, H, W]`, style `[B, S]`."""
        mean = at_least_float32(features[self.size]) - 0.5
        content = Gaussian(mean, torch.full_like(mean, 2 * math.log(NOISE)))
        means: Tensor = self.decoder["prior"].means.detach()
        h = at_least_float32(self.encoder["domain"](features[self.size // PLACE].mean((2, 3))))
        share = torch.softmax(-0.5 * (h[:, None] - means).square().sum(2), 1)
        style = share @ at_least_float32(means)
        return Posterior(content, Gaussian(style, torch.full_like(style, 2 * math.log(SPREAD))))

    def style_places(self, features: dict[int, Tensor]) -> Tensor:
        """The style at every place, `[B, S, g, g]`; see `types.Model`."""
        return at_least_float32(self.encoder["style"](features[self.size // PLACE]))

    def decode(self, code: Code) -> Tensor:
        """Code -> images `[B, 3, H, W]`, nominally in [0, 1] but not clamped."""
        return at_least_float32(self.decoder["image"](code.content, code.style)) + 0.5

    def prior(self, domains: Tensor) -> Distribution:
        """p(c | d) p(s | d) for labels `domains`, int64 `[B]` in 0..D-1, or -1 for no known domain."""
        pictures: Pyramid = self.decoder["pictures"]
        return Distribution(pictures.of(domains), self.decoder["prior"](domains))

    def refit_style_prior(self, domains: Tensor, q: Gaussian) -> None:
        """Nothing: the decoder has learned from the means as they are."""

    def add_domain(self, name: str, style: Tensor) -> None:
        """As in the base class; its pictures have the density of no known domain."""
        super().add_domain(name, style)
        self.decoder["pictures"].add()


class PatchEncoder(nn.Sequential):
    """Pictures `[B, 3, H, W]` around 0 -> features of places of PLACE x PLACE pixels, `[B, 2 width, H / 4, W / 4]`.

    Strided convolutions see every pattern of pixels (as in PatchGAN, Isola et al. 2017, arXiv:1611.07004), while an
    average pool is blind to some. There is no norm, as the level of a feature tells a translation from a real image.
    """

    def __init__(self, width: int) -> None:
        super().__init__(
            *convolution(3, width, 4, 2),
            *convolution(width, width),
            *convolution(width, 2 * width, 4, 2),
            *convolution(2 * width, 2 * width),
            *convolution(2 * width, 2 * width),
        )


def convolution(c_in: int, c_out: int, kernel: int = 3, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    """A convolution and its activation; the output has 1 / stride of the input's sides."""
    return nn.Conv2d(c_in, c_out, kernel, stride, padding=1), nn.LeakyReLU(SLOPE)
