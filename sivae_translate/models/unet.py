"""A U-Net that redraws pictures in a style."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sivae_translate.models.layers import FiLM, ResidualBlock, activation

CONTRAST = 3.0  # pixels around 0 then have a deviation of about 1
FIRST = 0.1  # scale of the last convolution at first, so that a new network changes little


class UNet(nn.Module):
    """Residual blocks down to coarser resolutions and back, with skips between equal ones (Ronneberger et al. 2015,
    arXiv:1505.04597), modulated by the style. The output is added to the input.

    There is no norm: a norm magnifies what little there is in an even picture, a weave and a tint.

    Args:
        widths: channels per resolution, finest first; each resolution is half of the one before.
        style: S, dimensions of the style.
    """

    def __init__(self, widths: list[int], style: int) -> None:
        super().__init__()

        def block(c_in: int, c_out: int) -> ResidualBlock:
            return ResidualBlock(c_in, c_out, lambda channels: FiLM(channels, style))

        fine, coarse = widths[:-1], widths[1:]
        self.enter = nn.Conv2d(3, widths[0], 3, padding=1)
        self.down = nn.ModuleList(map(block, [widths[0], *fine], widths))
        self.middle = block(widths[-1], widths[-1])
        self.up = nn.ModuleList(block(a + b, a) for a, b in zip(fine, coarse, strict=True))
        self.output = nn.Conv2d(widths[0], 3, 3, padding=1)
        self.output.weight.data *= FIRST

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Pictures `[B, 3, H, W]` around 0 and styles `[B, S]` -> pictures."""
        h = activation(self.enter(CONTRAST * x)).contiguous(memory_format=torch.channels_last)
        skips = []
        for level, block in enumerate(self.down):
            h = block(F.avg_pool2d(h, 2) if level else h, style)
            skips.append(h)
        h = self.middle(skips.pop(), style)
        for block in reversed(self.up):
            h = block(torch.cat([F.interpolate(h, scale_factor=2), skips.pop()], 1), style)
        redrawn: Tensor = x + self.output(h)
        return redrawn
