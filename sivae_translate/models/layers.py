"""The layers of both networks. All layers behave alike in train and eval mode."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sivae_translate.types import at_least_float32

GROUP = 16  # channels in a group of a group norm
EPSILON = 1e-2  # added to a variance; PyTorch's 1e-5 magnifies constant channels 300 times, and training diverges
SLOPE = 0.2  # of the activation, for negative values

Norm = Callable[[int], nn.Module]
"""A constructor of a normalisation layer from the number of channels."""


def group_norm(channels: int, affine: bool = True) -> nn.GroupNorm:
    """Group normalisation (Wu & He 2018), which has no running statistics."""
    return nn.GroupNorm(max(1, channels // GROUP), channels, affine=affine)


def no_norm(channels: int) -> nn.Module:
    return nn.Identity()


class FiLM(nn.Module):
    """Feature-wise linear modulation without a norm: scale and shift are linear in the style (Perez et al. 2018)."""

    def __init__(self, channels: int, style: int) -> None:
        super().__init__()
        self.affine = nn.Linear(style, 2 * channels)

    def forward(self, h: Tensor, style: Tensor) -> Tensor:
        """`[B, C, H, W]`, `[B, S]` -> `[B, C, H, W]`."""
        scale, shift = self.affine(style)[:, :, None, None].chunk(2, dim=1)
        return torch.addcmul(shift.to(h.dtype), h, 1 + scale.to(h.dtype))


class AdaGN(FiLM):
    """Adaptive group normalisation: a group norm, then modulation by the style (Dhariwal & Nichol 2021, section 3)."""

    def __init__(self, channels: int, style: int) -> None:
        super().__init__(channels, style)
        self.norm = group_norm(channels, affine=False)

    def forward(self, h: Tensor, style: Tensor) -> Tensor:
        """`[B, C, H, W]`, `[B, S]` -> `[B, C, H, W]`."""
        return super().forward(self.norm(h), style)


class AdaIN(nn.Module):
    """Adaptive instance normalisation: the style determines each channel's mean and deviation over the image.

    Huang & Belongie 2017, eq. 8, with a linear layer for mean and deviation in place of a second image.
    """

    def __init__(self, channels: int, style: int) -> None:
        super().__init__()
        self.affine = nn.Linear(style, 2 * channels)

    def forward(self, h: Tensor, style: Tensor) -> Tensor:
        """`[B, C, H, W]`, `[B, S]` -> `[B, C, H, W]`."""
        scale, shift = at_least_float32(self.affine(style))[:, :, None, None].chunk(2, dim=1)
        x, pixels = at_least_float32(h), h.shape[2] * h.shape[3]
        # On a CPU, sum takes a quarter of the time of torch.mean. The variance's gradient by the mean is 0.
        mean = x.sum((2, 3), keepdim=True) / pixels
        variance = (x - mean.detach()).square().sum((2, 3), keepdim=True) / pixels
        gain = (1 + scale) * torch.rsqrt(variance + EPSILON)
        return torch.addcmul((shift - mean * gain).to(h.dtype), h, gain.to(h.dtype))


def activation(h: Tensor) -> Tensor:
    """Leaky ReLU in the memory of h. No gradient needs h: convolutions, norms and sums keep their inputs alone."""
    return F.leaky_relu(h, SLOPE, inplace=True)


def conv_of_upsampled(conv: nn.Conv2d, h: Tensor) -> Tensor:
    """A 3x3 convolution of padding 1 on h with its sides doubled, `[B, C, r, r]` -> `[B, C', 2 r, 2 r]`.

    Of nearest-neighbour upsampling each output sees 2x2 different inputs, so taps on equal inputs are summed first. The
    transposed convolution with the summed taps takes 4 / 9 of the arithmetic and no upsampled copy of h.
    """
    above, middle, below = conv.weight.transpose(0, 1).unbind(2)
    rows = torch.stack([below, middle + below, above + middle, above], 2)
    left, middle, right = rows.unbind(3)
    taps = torch.stack([right, middle + right, left + middle, left], 3)
    return F.conv_transpose2d(h, taps, conv.bias, stride=2, padding=1)


class ResidualBlock(nn.Module):
    """conv, norm, activation, conv, norm, plus the input (through a 1x1 conv where widths differ), activation.

    `norm` makes both norms. Modulated norms get the style. With `upsample` the block acts on its input with the sides
    doubled, in nearest-neighbour interpolation.

    Attributes:
        fused: computes norm, residual and activation as one operation, see `fused_norm.fuse_norms`; None for PyTorch's.
    """

    fused: Callable[[nn.Module, Tensor, tuple[Tensor, ...], Tensor | None], Tensor] | None = None

    def __init__(self, c_in: int, c_out: int, norm: Norm = group_norm, *, upsample: bool = False) -> None:
        super().__init__()
        self.upsample = upsample
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.norm1 = norm(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1)
        self.norm2 = norm(c_out)
        self.skip = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()

    def forward(self, h: Tensor, *style: Tensor) -> Tensor:
        y = self.activate(self.norm1, self.enter(h), style)
        return self.activate(self.norm2, self.conv2(y), style, self.around(h))

    def enter(self, h: Tensor) -> Tensor:
        """The first convolution."""
        return conv_of_upsampled(self.conv1, h) if self.upsample else self.conv1(h)

    def around(self, h: Tensor) -> Tensor:
        """What is added to the second norm: the block's input in the shape of its output."""
        h = self.skip(h)
        return F.interpolate(h, scale_factor=2) if self.upsample else h

    def activate(self, norm: nn.Module, h: Tensor, style: tuple[Tensor, ...], residual: Tensor | None = None) -> Tensor:
        """activation(norm(h, *style) + residual)."""
        if self.fused is not None and type(norm) not in (nn.Identity, FiLM):
            return self.fused(norm, h, style, residual)
        y = norm(h, *style)
        return activation(y if residual is None else y + residual)
