"""Style-based synthesis: one latent that modulates a decoder at every level, and per-pixel noise.

The style-based Soft-IntroVAE of Daniel & Tamar (2021) builds on ALAE's networks (Pidhorskyi et al. 2020,
arXiv:2004.04467). Here every level adds to the image through a skip, as in StyleGAN2 (Karras et al. 2020,
arXiv:1912.04958). The encoder is that of the `conv` model: ALAE's encoder reads only means and deviations of features,
which hold no positions. docs/decisions.md compares both encoders.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sivae_translate.models.autoencoder import Autoencoder, check_network, single_latent_encoder, standard_normal
from sivae_translate.models.encoder import BASE, level_widths
from sivae_translate.models.layers import AdaGN, ResidualBlock
from sivae_translate.objectives.sampling import integers, uniform
from sivae_translate.types import Code, Gaussian, Posterior


class SynthesisAutoencoder(Autoencoder):
    """A mapping network takes z to w, and w modulates a decoder that starts from a learned constant.

    Args:
        domains: names, in the order of their labels; without effect on a single latent.
        size: side of the images in pixels, a power of two in 16..512.
        latent: dimensions of z, and of w, 1..4096. More hold more detail, and raise the KL.
        mapping: layers of the mapping network, 0..16. Karras et al. 2019 have 8; fewer learn faster.
        mixing: fraction of the samples with style mixing, 0..1: another latent modulates all levels above a random one
            (Karras et al. 2019, section 3.1).
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
        latent: int = 256,
        mapping: int = 4,
        mixing: float = 0.9,
        patch: int = 2,
        width: int = 64,
        max_width: int = 256,
    ) -> None:
        super().__init__()
        check_network(size, patch, width, max_width)
        if not 0 <= mapping <= 16:
            raise ValueError("mapping: must be 0 to 16 layers")
        if not 0 <= mixing <= 1:
            raise ValueError("mixing: must be in 0..1, a fraction of the samples")
        self.domains, self.size, self.mixing = tuple(domains), size, mixing
        self.content_shape = (latent, 1, 1)
        widths = level_widths(size, patch, width, max_width)
        self.encoder = single_latent_encoder(size, patch, widths, latent)
        self.decoder = nn.ModuleDict({"image": SynthesisDecoder(patch, widths, latent, mapping)})
        self.levels = len(widths)
        self.pixels = sum((BASE << level) ** 2 for level in range(self.levels))

    def posterior(self, features: dict[int, Tensor]) -> Posterior:
        """q(z | x), content `[B, latent, 1, 1]`, and the noise's N(0, I)."""
        coarse = features[BASE].flatten(1)
        content = self.encoder["content"](coarse).map(lambda t: t[:, :, None, None])
        return Posterior(content, noise=self._noise(coarse.shape[0], coarse.device))

    def decode(self, code: Code) -> Tensor:
        """Code -> images `[B, 3, H, W]`, nominally in [0, 1] but not clamped.

        A content `[B, latent, levels, 1]` has a latent per level, coarsest first.
        """
        images: Tensor = self.decoder["image"](code)
        return images

    def prior(self, domains: Tensor) -> Posterior:
        """N(0, I) for every image, `domains` int64 `[B]`."""
        return Posterior(self.standard_content(domains), noise=self._noise(len(domains), domains.device))

    def mix_styles(self, samples: Code, generator: torch.Generator) -> Code:
        """Samples; a fraction `mixing` of them has the latent of another sample from a random level on."""
        z, n = samples.content.flatten(1), len(samples)
        device = z.device
        start = integers(1, self.levels, (n,), generator)
        chosen = uniform((n,), generator) < self.mixing
        start = torch.where(chosen, start, self.levels)
        other = torch.arange(self.levels, device=device) >= start[:, None]  # [B, levels]
        content = torch.where(other[:, None], z.roll(1, 0)[:, :, None], z[:, :, None])
        return Code(content[..., None], noise=samples.noise)

    def _noise(self, n: int, device: torch.device) -> Gaussian:
        return standard_normal(torch.zeros(n, self.pixels, device=device))


class NoisyBlock(ResidualBlock):
    """A modulated residual block with noise of learned strength per channel after the first convolution (Karras et al.
    2019, section 3.2)."""

    def __init__(self, c_in: int, c_out: int, style: int, *, upsample: bool) -> None:
        super().__init__(c_in, c_out, lambda channels: AdaGN(channels, style), upsample=upsample)
        self.strength = nn.Parameter(torch.zeros(c_out, 1, 1))
        # The modulation starts at zero (Peebles & Xie 2023, adaLN-Zero). Otherwise all dimensions of z affect all
        # levels from the start, and the posterior needs more nats.
        for norm in self.modules():
            if isinstance(norm, AdaGN):
                nn.init.zeros_(norm.affine.weight)
                nn.init.zeros_(norm.affine.bias)

    def forward(self, h: Tensor, style: Tensor, noise: Tensor | None = None) -> Tensor:  # type: ignore[override]
        """`[B, C, r, r]`, `[B, S]`, noise `[B, r' * r']` -> `[B, C', r', r']`, with r' = 2 r for `upsample`, else r."""
        y = self.enter(h)
        if noise is not None:
            y = y + self.strength * noise.view(-1, 1, *y.shape[2:])
        y = self.activate(self.norm1, y, (style,))
        return self.activate(self.norm2, self.conv2(y), (style,), self.around(h))


def mapping_layer(latent: int) -> tuple[nn.Module, nn.Module]:
    """A layer and its activation, initialised so that several layers keep the latent's norm (He et al. 2015)."""
    linear = nn.Linear(latent, latent)
    nn.init.kaiming_normal_(linear.weight, 0.2)
    nn.init.zeros_(linear.bias)
    return linear, nn.LeakyReLU(0.2)


class SynthesisDecoder(nn.Module):
    """A learned constant of 4 x 4, blocks modulated by w, and an image as the sum of the levels' outputs."""

    def __init__(self, patch: int, widths: list[int], latent: int, mapping: int) -> None:
        super().__init__()
        self.patch = patch
        self.mapping = nn.Sequential(*(layer for _ in range(mapping) for layer in mapping_layer(latent)))
        coarse = widths[::-1]
        self.constant = nn.Parameter(torch.randn(coarse[0], BASE, BASE))
        outs = [*coarse[1:], coarse[-1]]  # narrowed before the upsampling, as in `Decoder`
        self.blocks = nn.ModuleList(
            NoisyBlock(a, b, latent, upsample=level > 0) for level, (a, b) in enumerate(zip(coarse, outs, strict=True))
        )
        self.to_rgb = nn.ModuleList(nn.Conv2d(width, 3 * patch**2, 1) for width in outs)
        self.pixels = [(BASE << level) ** 2 for level in range(len(coarse))]

    def forward(self, code: Code) -> Tensor:
        """Code -> images `[B, 3, H, W]`, nominally in [0, 1] but not clamped."""
        levels = len(self.blocks)
        w = self.mapping(code.content.flatten(2).transpose(1, 2)).expand(-1, levels, -1)  # [B, levels, latent]
        noises = [None] * levels if code.noise is None else torch.split(code.noise, self.pixels, 1)
        h = self.constant.expand(w.shape[0], -1, -1, -1).contiguous(memory_format=torch.channels_last)
        image: Tensor | None = None
        for level, (block, to_rgb, noise) in enumerate(zip(self.blocks, self.to_rgb, noises, strict=True)):
            h = block(h, w[:, level], noise)
            shown = F.pixel_shuffle(to_rgb(h), self.patch)
            image = shown if image is None else F.interpolate(image, scale_factor=2, mode="bilinear") + shown
        assert image is not None
        return image
