"""The pieces both networks are made of. Nothing here tells training from evaluation, so neither do the models."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GROUP = 16  # channels that one group of a group norm holds


def group_norm(channels: int, affine: bool = True) -> nn.GroupNorm:
    """Group normalisation (Wu & He 2018). It knows no running statistics: train and eval mode agree to the bit."""
    return nn.GroupNorm(max(1, channels // GROUP), channels, affine=affine)


class StyledNorm(nn.Module):
    """Group normalisation whose scale and shift are read from the style: AdaGN (Dhariwal & Nichol 2021, section 3)."""

    def __init__(self, channels: int, style: int) -> None:
        super().__init__()
        self.norm = group_norm(channels, affine=False)
        self.affine = nn.Linear(style, 2 * channels)

    def forward(self, h: Tensor, style: Tensor) -> Tensor:
        """`[B, C, H, W]`, `[B, S]` -> `[B, C, H, W]`."""
        scale, shift = self.affine(style)[:, :, None, None].chunk(2, dim=1)
        h = self.norm(h)
        return torch.addcmul(shift.to(h.dtype), h, 1 + scale.to(h.dtype))


def activation(h: Tensor) -> Tensor:
    return F.leaky_relu(h, 0.2)


class ResidualBlock(nn.Module):
    """conv, norm, activation, conv, norm, plus the input (through a 1x1 conv where widths differ), activation.

    With `style` > 0 both norms are modulated by a style of that many dimensions.
    """

    def __init__(self, c_in: int, c_out: int, style: int = 0) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.norm1 = StyledNorm(c_out, style) if style else group_norm(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1)
        self.norm2 = StyledNorm(c_out, style) if style else group_norm(c_out)
        self.skip = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()

    def forward(self, h: Tensor, *style: Tensor) -> Tensor:
        y = activation(self.norm1(self.conv1(h), *style))
        y = self.norm2(self.conv2(y), *style)
        return activation(y + self.skip(h))
