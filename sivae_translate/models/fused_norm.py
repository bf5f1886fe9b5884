"""Normalisation, modulation, residual and activation of a block as one operation, for large images on a GPU.

Under autocast PyTorch computes a group norm in float32 and in contiguous order, and each later operation reads and
writes all features again. The Triton kernels read and write bf16 in channels-last order, and compute in float32.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import torch
from torch import Tensor, nn

from sivae_translate.models.layers import EPSILON, SLOPE, AdaGN, AdaIN, ResidualBlock
from sivae_translate.types import at_least_float32


def fuse_norms(model: nn.Module, device: str) -> str:
    """Let the residual blocks of a model use the kernels. Returns why they cannot, "" if they do."""
    blocks = [block for block in model.modules() if isinstance(block, ResidualBlock)]
    if not device.startswith("cuda"):
        return f"expected a CUDA GPU, the device is {device}"
    if torch.cuda.get_device_capability(device) < (8, 0):
        return f"expected a GPU of compute capability 8.0 or more, this is {torch.cuda.get_device_name(device)}"
    if importlib.util.find_spec("triton") is None:
        return "expected Triton: pip install triton"
    if not all(supported(norm) for block in blocks for norm in (block.norm1, block.norm2)):
        return "expected groups of a power of two channels: set model.width and model.max_width to powers of two"
    for block in blocks:
        block.fused = normalise_and_activate
    return ""


def supported(norm: nn.Module) -> bool:
    """Whether the channels of a group are a power of two, as a Triton program holds whole groups."""
    group = norm.norm if isinstance(norm, AdaGN) else norm
    size = group.num_channels // group.num_groups if isinstance(group, nn.GroupNorm) else 1
    return size & (size - 1) == 0


def normalise_and_activate(
    norm: nn.Module, h: Tensor, style: tuple[Tensor, ...], residual: Tensor | None = None
) -> Tensor:
    """activation(norm(h, *style) + residual), in the dtype of h and in channels-last order.

    Args:
        norm: `nn.GroupNorm`, `AdaGN` or `AdaIN`.
        h: `[B, C, H, W]`, H and W powers of two.
        style: of a modulated norm, `[B, S]`.
        residual: shaped as h.
    """
    y: Tensor = FusedNorm.apply(h, *modulation(norm, h, style), residual)  # type: ignore[no-untyped-call]
    return y


def modulation(norm: nn.Module, h: Tensor, style: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, int, float]:
    """Gain and shift `[B, C]` of the normalised channels, the number of groups, and what is added to a variance."""
    if isinstance(norm, nn.GroupNorm):
        return norm.weight.expand(len(h), -1), norm.bias.expand(len(h), -1), norm.num_groups, norm.eps
    assert isinstance(norm, AdaGN | AdaIN)
    scale, shift = at_least_float32(norm.affine(*style)).chunk(2, dim=1)
    if isinstance(norm, AdaIN):
        return 1 + scale, shift, h.shape[1], EPSILON
    return 1 + scale, shift, norm.norm.num_groups, norm.norm.eps


class FusedNorm(torch.autograd.Function):
    """The kernels with their gradient. The sign of the output, which the next convolution keeps as well, tells the
    activation's slope."""

    @staticmethod
    def forward(
        context: Any, x: Tensor, gain: Tensor, shift: Tensor, groups: int, epsilon: float, residual: Tensor | None
    ) -> Tensor:
        from sivae_translate.models import fused_norm_kernels  # needs Triton

        x, gain, shift = x.contiguous(memory_format=torch.channels_last), gain.contiguous(), shift.contiguous()
        if residual is not None:
            residual = residual.contiguous(memory_format=torch.channels_last)
        y, mean, rstd = fused_norm_kernels.forward(x, gain, shift, groups, epsilon, residual, SLOPE)
        context.save_for_backward(x, y, gain, mean, rstd)
        context.groups, context.residual_dtype = groups, None if residual is None else residual.dtype
        return y

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        from sivae_translate.models import fused_norm_kernels

        x, y, gain, mean, rstd = context.saved_tensors
        dy = gradient.contiguous(memory_format=torch.channels_last)
        dx, dgain, dshift, dresidual = fused_norm_kernels.backward(
            dy, x, y, gain, mean, rstd, context.groups, SLOPE, context.residual_dtype
        )
        return dx, dgain, dshift, None, None, dresidual
