"""The decoder: content is its first input, and style modulates every level."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sivae_translate.models.encoder import BASE
from sivae_translate.models.layers import Norm, ResidualBlock, activation
from sivae_translate.types import Code


class Decoder(nn.Module):
    """Residual blocks with nearest-neighbour upsampling between them, a last convolution, and no output activation.

    Content starts at grid x grid pixels, or as a vector (grid 1) at 4 x 4 after a linear layer.

    Args:
        patch: side in pixels of the patches that the last convolution outputs as channels.
        widths: channels per level, finest first, as in the encoder.
        content: K, channels of the content.
        grid: g, side of the content.
        norm: makes the normalisation layers. Modulated ones get the style.
    """

    def __init__(self, patch: int, widths: list[int], content: int, grid: int, norm: Norm) -> None:
        super().__init__()
        self.patch = patch
        self.start = max(grid, BASE)
        coarse = widths[::-1][(self.start // BASE).bit_length() - 1 :]  # widths from the starting level to the finest
        self.project: nn.Module
        if grid == 1:
            self.project = nn.Linear(content, coarse[0] * BASE**2)
        else:
            self.project = nn.Conv2d(content, coarse[0], 1)
        # Each block has the next finer level's width as output, as convolutions before the upsampling are faster.
        outs = [*coarse[1:], coarse[-1]]
        self.blocks = nn.ModuleList(
            ResidualBlock(a, b, norm, upsample=level > 0) for level, (a, b) in enumerate(zip(coarse, outs, strict=True))
        )
        kernel = 5 if patch == 1 else 3
        self.output = nn.Conv2d(outs[-1], 3 * patch**2, kernel, padding=kernel // 2)

    def forward(self, code: Code) -> Tensor:
        """Code -> images `[B, 3, H, W]`, nominally in [0, 1] but not clamped."""
        style = () if code.style is None else (code.style,)
        c = code.content
        h = activation(self.project(c.flatten(1) if isinstance(self.project, nn.Linear) else c))
        h = h.view(c.shape[0], -1, self.start, self.start).contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            h = block(h, *style)
        return F.pixel_shuffle(self.output(h), self.patch)
