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
from sivae_translate.models.encoder import Encoder
from sivae_translate.models.layers import SLOPE, no_norm
from sivae_translate.models.pyramid import Pyramid
from sivae_translate.models.unet import UNet
from sivae_translate.types import Code, Distribution, Gaussian, Posterior, at_least_float32

NOISE = 0.05  # the content's standard deviation, 13 of 255 levels
WIDTHS = (1, 2, 4, 4)  # of the U-Net, finest first, times its width
PLACE = 4  # pixels per place of the encoder's style, along one side; a place sees some 30 x 30 pixels
STYLE_WIDTH = 64  # channels of the style head
EVIDENCE = 4.0  # independent patches that an image counts as; those of neighbouring places overlap
SPREAD = 0.1  # standard deviation of a style
APART = 1.5  # root of the mean squared norm of a domain's mean style; two domains are about APART^2 nats apart


class DetailAutoencoder(TranslatingAutoencoder):
    """Content and style of pictures that keep their layout and their detail.

    The content is the picture, and nothing is lost but what noise of `NOISE` hides. So it holds the domain as well:
    what parts content and style is an objective that trains the decoder with contents of other domains, such as
    `iterative-back-translation`.

        posterior:  q(c, s | x) = N(x - 1/2, NOISE^2) N(sum_d q(d | x) m_d, SPREAD^2)
        prior:      p(c | d) a `Pyramid`, p(s | d) = N(m_d, SPREAD^2)

    The encoder reads a style s_ij at every place, and q(d | x) is proportional to the geometric mean of N(s_ij; m_d, I)
    over places, to the power EVIDENCE. So the style of an image is that of its domain, or between those of several.

    The pyramid learns in minutes, and its transport from one domain's pictures to another's is a first translation.

    Args:
        domains: names, in the order of their labels.
        size: side of the images in pixels, a power of two in 16..512.
        style: S, dimensions of the style, 1..1024.
        width: channels of the U-Net at the finest level, 8..256; doubling twice. Wider: better, slower.
        encoder_width: channels of the encoder at the finest level, 8..256, doubling twice.
        prior_width: channels of the pyramid's networks, 8..256.
    """

    def __init__(
        self,
        *,
        domains: Sequence[str],
        size: int,
        style: int = 16,
        width: int = 16,
        encoder_width: int = 16,
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
        widths = [encoder_width, 2 * encoder_width, 4 * encoder_width]
        self.encoder = nn.ModuleDict(
            {
                "features": Encoder(size, 1, widths, channels=6, norm=no_norm),
                "style": style_at_places(widths[-1], style),
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
        nn.init.normal_(self.decoder["prior"].means, std=APART / style**0.5)
        nn.init.constant_(self.decoder["prior"].logvar, 2 * math.log(SPREAD))

    def features(self, x: Tensor) -> dict[int, Tensor]:
        """As in the base class, with the images themselves at their own resolution."""
        return super().features(with_detail(x)) | {self.size: x}

    def posterior(self, features: dict[int, Tensor]) -> Posterior:
        """q(c, s | x): content `[B, 3, H, W]`, style `[B, S]`."""
        mean = at_least_float32(features[self.size]) - 0.5
        content = Gaussian(mean, torch.full_like(mean, 2 * math.log(NOISE)))
        means: Tensor = self.decoder["prior"].means.detach()
        share = torch.softmax(-self._energies(features, means), 1)
        style = share @ at_least_float32(means)
        return Posterior(content, Gaussian(style, torch.full_like(style, 2 * math.log(SPREAD))))

    def style_places(self, features: dict[int, Tensor]) -> Tensor:
        """The style at every place, `[B, S, g, g]`; see `types.Model`."""
        return at_least_float32(self.encoder["style"](features[self.size // PLACE]))

    def _energies(self, features: dict[int, Tensor], means: Tensor) -> Tensor:
        """-log p(styles at places | d) of each domain's mean style, but for a constant, `[B, D]`."""
        styles = self.style_places(features)
        squares = [(styles - m[:, None, None]).square().sum(1).mean((1, 2)) for m in means]
        return 0.5 * EVIDENCE * torch.stack(squares, 1)

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


def style_at_places(width: int, style: int) -> nn.Module:
    """Features `[B, width, g, g]` to the style at every place, `[B, S, g, g]`."""
    first = nn.Conv2d(width, STYLE_WIDTH, 3, padding=1)
    return nn.Sequential(first, nn.LeakyReLU(SLOPE), nn.Conv2d(STYLE_WIDTH, style, 1))
