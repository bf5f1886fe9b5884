"""An autoencoder for pictures whose detail stays: a linear path to a wide content, and a style read at every place."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sivae_translate.models.autoencoder import StyleAutoencoder, unit_scale
from sivae_translate.models.encoder import GaussianHead
from sivae_translate.models.layers import SLOPE, FiLM
from sivae_translate.types import Code, Gaussian, Posterior, at_least_float32

GAIN = 20.0  # content per unit of a frequency's amplitude; the content's noise of 1 is then .05 in amplitude
FIRST_SHARE = 0.05  # scale of the last convolution at first, so that a new model draws by the linear path
# A multiplier of the learning rate. At the decoder's rate the encoder, which is the critic, wins the game, and colours
# drift. Two rates for two sides: Heusel et al. 2017, arXiv:1706.08500.
ENCODER_LR = 0.3
STYLE_WIDTH = 64  # channels of the style head
APART = 1.5  # root of the mean squared norm of a domain's mean style; two domains are about APART^2 nats apart


class DetailAutoencoder(StyleAutoencoder):
    """Content and style of pictures that keep their layout and their detail.

    As `StyleAutoencoder` with a layout, but for four differences:

    - *The linear path.* Patches of pixels go to the content, and the content to patches of pixels, by linear maps
      beside the networks. They begin as the lowest frequencies of a cosine transform, as JPEG keeps them, so a new
      model already draws its input. A network alone takes some 10,000 images to come as far.
    - *Style at places.* The style is the mean of a style at every place, which lets an objective judge patches. The
      means of the style priors are random and apart at first.
    - *No norm in the decoder.* A norm magnifies what little there is in an even image, a weave and a tint.
    - *One component in the content prior.* A content of thousands of nats holds the domain anyway, and 128 components
      take a fifth of a step's time.

    Args:
        domains: as in the base class.
        size: as in the base class.
        content: K, channels of the content, 1..1024. 3 content_stride^2 hold every detail; half as many
            lose the finest.
        content_stride: pixels of the image per place of the content, along one side; above 0.
        style: S, dimensions of the style, 1..1024.
        patch: as in the base class.
        width: as in the base class.
        max_width: as in the base class.
    """

    layout_modulation = FiLM

    def __init__(
        self,
        *,
        domains: Sequence[str],
        size: int,
        content: int = 24,
        content_stride: int = 4,
        style: int = 16,
        patch: int = 2,
        width: int = 64,
        max_width: int = 256,
    ) -> None:
        if not content_stride:
            raise ValueError('content_stride: must be above 0; for a vector use model.name = "style"')
        super().__init__(
            domains=domains,
            size=size,
            content=content,
            components=1,
            content_stride=content_stride,
            style=style,
            patch=patch,
            width=width,
            max_width=max_width,
        )
        features, grid = self.encoder["features"], self.content_shape[1]
        places = features.resolutions.index(grid)
        features.blocks, features.resolutions = features.blocks[:places], features.resolutions[: places + 1]
        read = self.encoder["content"].layer.in_channels
        self.encoder["style"] = GaussianHead(style_at_places(read, style), learned_variance=True)
        self.encoder["patches"] = to_content(content_stride, content)
        self.decoder["patches"] = to_pixels(content_stride, content)
        self.lr_multipliers = {**self.lr_multipliers, "encoder": ENCODER_LR}
        last: nn.Conv2d = self.decoder["image"].output  # type: ignore[assignment]
        last.weight.data *= FIRST_SHARE
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        nn.init.normal_(self.decoder["prior"].means, std=APART / style**0.5)  # type: ignore[arg-type]

    def features(self, x: Tensor) -> dict[int, Tensor]:
        """As in the base class. The channels of the layout's resolution end with the K of the linear path."""
        features, grid = super().features(x), self.content_shape[1]
        features[grid] = torch.cat([features[grid], self.encoder["patches"](x - 0.5)], 1)
        return features

    def posterior(self, features: dict[int, Tensor]) -> Posterior:
        """q(c, s | x): content `[B, K, g, g]`, style `[B, S]`."""
        h, linear = self._at_places(features)
        content = self.encoder["content"](unit_scale(h))
        content = Gaussian(content.mean + at_least_float32(linear), content.logvar)
        return Posterior(content, self.encoder["style"](h).map(lambda t: t.mean((2, 3))))

    def style_places(self, features: dict[int, Tensor]) -> Tensor:
        """The style's mean at every place, `[B, S, g, g]`; see `types.Model`."""
        mean: Tensor = self.encoder["style"](self._at_places(features)[0]).mean
        return mean

    def _at_places(self, features: dict[int, Tensor]) -> tuple[Tensor, Tensor]:
        """The network's features at the places and the linear path's content, `[B, F, g, g]` and `[B, K, g, g]`."""
        together, content = features[self.content_shape[1]], self.content_shape[0]
        return together[:, :-content], together[:, -content:]

    def image_of(self, code: Code) -> Tensor:
        """Code -> images `[B, 3, H, W]` around 0, before the sigmoid: the network's on top of the linear path's."""
        return super().image_of(code) + at_least_float32(self.decoder["patches"](code.content))


def style_at_places(width: int, style: int) -> nn.Module:
    """Features `[B, width, g, g]` to the mean and the log-variance of the style at every place, `[B, 2 S, g, g]`."""
    first = nn.Conv2d(width, STYLE_WIDTH, 3, padding=1)
    return nn.Sequential(first, nn.LeakyReLU(SLOPE), nn.Conv2d(STYLE_WIDTH, 2 * style, 1))


def to_content(stride: int, content: int) -> nn.Conv2d:
    """A map from images `[B, 3, H, W]` around 0 to content `[B, K, H / stride, W / stride]`, a patch to a place."""
    layer = nn.Conv2d(3, content, stride, stride, bias=False)
    layer.weight.data = GAIN * cosine_basis(stride, content)
    return layer


def to_pixels(stride: int, content: int) -> nn.ConvTranspose2d:
    """The way back from content to images around 0, the transpose of `to_content`."""
    layer = nn.ConvTranspose2d(content, 3, stride, stride, bias=False)
    layer.weight.data = cosine_basis(stride, content) / GAIN
    return layer


def cosine_basis(side: int, count: int) -> Tensor:
    """The `count` lowest frequencies of the cosine transform of patches, `[count, 3, side, side]`.

    Rows are orthonormal, each frequency of red, green and blue in turn. Rows beyond the 3 side^2 there are have zeros.
    """
    places = torch.arange(side) + 0.5
    waves = torch.cos(torch.pi / side * torch.arange(side)[:, None] * places) * (2 / side) ** 0.5  # DCT-II
    waves[0] /= 2**0.5
    frequencies = sorted((u + v, u, v) for u in range(side) for v in range(side))
    basis = torch.zeros(count, 3, side, side)
    for row in range(min(count, 3 * side**2)):
        _, u, v = frequencies[row // 3]
        basis[row, row % 3] = waves[u][:, None] * waves[v]
    return basis
