"""The Triton kernels of `fused_norm`. A program takes one image and a few whole groups of its channels.

Images lie in channels-last order, as a matrix of pixels by channels. The first pass over the pixels takes the sums, the
second, which mostly reads from the cache, writes the result.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

CHANNELS = 16  # least channels of a program: 32 bytes of a pixel in bf16, a sector of the memory
TILE = 8192  # values that a program holds at a time


@triton.jit
def group_mean(values, size: tl.constexpr, block: tl.constexpr):
    """Channels `[block]` replaced by the mean of their group of `size` neighbouring channels."""
    if size == 1:
        return values
    means = tl.sum(tl.reshape(values, (block // size, size)), 1) / size
    return tl.reshape(tl.broadcast_to(means[:, None], (block // size, size)), (block,))


@triton.jit
def forward_kernel(
    x_ptr, gain_ptr, shift_ptr, residual_ptr, y_ptr, mean_ptr, rstd_ptr, channels, epsilon, slope,
    pixels: tl.constexpr, size: tl.constexpr, block: tl.constexpr, rows: tl.constexpr, has_residual: tl.constexpr,
):  # fmt: skip
    """`size`: channels of a group; `block`: channels of a program; `rows`: pixels of a tile."""
    image = tl.program_id(0).to(tl.int64)
    channel = tl.program_id(1) * block + tl.arange(0, block)
    valid = channel < channels
    row = tl.arange(0, rows)
    start = image * pixels * channels

    # Each channel's mean, and its squared deviation, merged tile by tile (Chan et al. 1979): sums of squares would
    # cancel where a mean is much larger than the deviation.
    mean = tl.zeros((block,), tl.float32)
    squares = tl.zeros((block,), tl.float32)
    for first in range(0, pixels, rows):
        at = start + (first + row)[:, None] * channels + channel[None, :]
        x = tl.load(x_ptr + at, mask=valid[None, :], other=0.0).to(tl.float32)
        tile_mean = tl.sum(x, 0) / rows
        centred = x - tile_mean[None, :]
        delta = tile_mean - mean
        mean += delta * (rows / (first + rows))
        squares += tl.sum(centred * centred, 0) + delta * delta * (first * (rows / (first + rows)))
    group = group_mean(mean, size, block)
    variance = group_mean(squares / pixels + (mean - group) * (mean - group), size, block)
    rstd = 1 / tl.sqrt(variance + epsilon)

    per_channel = image * channels + channel
    tl.store(mean_ptr + per_channel, group, mask=valid)
    tl.store(rstd_ptr + per_channel, rstd, mask=valid)
    gain = tl.load(gain_ptr + per_channel, mask=valid, other=0.0) * rstd
    shift = tl.load(shift_ptr + per_channel, mask=valid, other=0.0)
    for first in range(0, pixels, rows):
        at = start + (first + row)[:, None] * channels + channel[None, :]
        x = tl.load(x_ptr + at, mask=valid[None, :], other=0.0).to(tl.float32)
        y = (x - group[None, :]) * gain[None, :] + shift[None, :]
        if has_residual:
            y += tl.load(residual_ptr + at, mask=valid[None, :], other=0.0).to(tl.float32)
        y = tl.where(y > 0, y, y * slope)
        tl.store(y_ptr + at, y.to(y_ptr.dtype.element_ty), mask=valid[None, :])


@triton.jit
def backward_kernel(
    dy_ptr, x_ptr, y_ptr, gain_ptr, mean_ptr, rstd_ptr, dx_ptr, dgain_ptr, dshift_ptr, dresidual_ptr,
    channels, slope,
    pixels: tl.constexpr, size: tl.constexpr, block: tl.constexpr, rows: tl.constexpr, has_residual: tl.constexpr,
):  # fmt: skip
    """With z = n gain + shift + residual and n = (x - mean) rstd, the gradient by x is

    rstd (gain dz - mean_group(gain dz) - n mean_group(gain dz n)).
    """
    image = tl.program_id(0).to(tl.int64)
    channel = tl.program_id(1) * block + tl.arange(0, block)
    valid = channel < channels
    row = tl.arange(0, rows)
    start = image * pixels * channels
    per_channel = image * channels + channel
    gain = tl.load(gain_ptr + per_channel, mask=valid, other=0.0)
    mean = tl.load(mean_ptr + per_channel, mask=valid, other=0.0)
    rstd = tl.load(rstd_ptr + per_channel, mask=valid, other=0.0)

    dshift = tl.zeros((block,), tl.float32)
    dgain = tl.zeros((block,), tl.float32)
    for first in range(0, pixels, rows):
        at = start + (first + row)[:, None] * channels + channel[None, :]
        dz = tl.load(dy_ptr + at, mask=valid[None, :], other=0.0).to(tl.float32)
        y = tl.load(y_ptr + at, mask=valid[None, :], other=0.0)
        x = tl.load(x_ptr + at, mask=valid[None, :], other=0.0).to(tl.float32)
        dz = tl.where(y > 0, dz, dz * slope)  # the activation keeps the sign
        dshift += tl.sum(dz, 0)
        dgain += tl.sum(dz * (x - mean[None, :]) * rstd[None, :], 0)
    tl.store(dshift_ptr + per_channel, dshift, mask=valid)
    tl.store(dgain_ptr + per_channel, dgain, mask=valid)

    first_mean = group_mean(gain * dshift, size, block) / pixels
    second_mean = group_mean(gain * dgain, size, block) / pixels
    for first in range(0, pixels, rows):
        at = start + (first + row)[:, None] * channels + channel[None, :]
        dz = tl.load(dy_ptr + at, mask=valid[None, :], other=0.0).to(tl.float32)
        y = tl.load(y_ptr + at, mask=valid[None, :], other=0.0)
        x = tl.load(x_ptr + at, mask=valid[None, :], other=0.0).to(tl.float32)
        dz = tl.where(y > 0, dz, dz * slope)
        if has_residual:
            tl.store(dresidual_ptr + at, dz.to(dresidual_ptr.dtype.element_ty), mask=valid[None, :])
        n = (x - mean[None, :]) * rstd[None, :]
        dx = rstd[None, :] * (gain[None, :] * dz - first_mean[None, :] - n * second_mean[None, :])
        tl.store(dx_ptr + at, dx.to(dx_ptr.dtype.element_ty), mask=valid[None, :])


def forward(
    x: Tensor, gain: Tensor, shift: Tensor, groups: int, epsilon: float, residual: Tensor | None, slope: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The output, and for the gradient each channel's mean and inverse deviation, `[B, C]`; see `plain_norm`."""
    y, mean, rstd = torch.empty_like(x), torch.empty_like(gain), torch.empty_like(gain)
    grid, sizes = launch(x, groups)
    forward_kernel[grid](
        x, gain, shift, x if residual is None else residual, y, mean, rstd,
        x.shape[1], epsilon, slope, has_residual=residual is not None, **sizes,
    )  # fmt: skip
    return y, mean, rstd


def backward(
    dy: Tensor, x: Tensor, y: Tensor, gain: Tensor, mean: Tensor, rstd: Tensor, groups: int, slope: float,
    residual: torch.dtype | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:  # fmt: skip
    """The gradients by x, gain, shift and, in its dtype, by the residual."""
    dx, dgain, dshift = torch.empty_like(x), torch.empty_like(gain), torch.empty_like(gain)
    dresidual = None if residual is None else torch.empty_like(x, dtype=residual)
    grid, sizes = launch(x, groups)
    backward_kernel[grid](
        dy, x, y, gain, mean, rstd, dx, dgain, dshift, dx if dresidual is None else dresidual,
        x.shape[1], slope, has_residual=residual is not None, **sizes,
    )  # fmt: skip
    return dx, dgain, dshift, dresidual


def launch(x: Tensor, groups: int) -> tuple[tuple[int, int], dict[str, int]]:
    """The grid of programs for x `[B, C, H, W]`, and the sizes of a program."""
    images, channels, height, width = x.shape
    size = channels // groups
    block = max(CHANNELS, triton.next_power_of_2(size))
    pixels = height * width
    rows = min(pixels, TILE // block)
    warps = min(8, max(1, rows * block // 512))
    sizes = {"pixels": pixels, "size": size, "block": block, "rows": rows, "num_warps": warps}
    return (images, triton.cdiv(channels, block)), sizes
