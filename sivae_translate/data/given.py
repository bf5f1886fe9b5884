"""Images that a program holds, as PIL images, arrays and tensors. What is no image raises UsageError."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from sivae_translate.errors import UsageError
from sivae_translate.pictures import to_pictures

TOLERANCE = 0.01  # resampled images overshoot [0, 1] by little; such values are clamped


def opened(image: Any) -> Image.Image:
    """A PIL image, an array uint8 `[H, W]` or `[H, W, 3 or 4]`, or a tensor `[3, H, W]` in [0, 1] as a PIL image."""
    if isinstance(image, Tensor):
        image = to_pictures(checked(image)[None])[0]
    if isinstance(image, np.ndarray):
        require_pixels(image.size, image.shape)
        if image.dtype != np.uint8 or image.ndim < 2 or image.shape[2:] not in ((), (3,), (4,)):
            fix = "; several images are a list of them" if image.ndim == 4 else ""
            expected = f"uint8 [H, W] or [H, W, 3 or 4]{fix}"
            raise UsageError(f"an array of shape {image.shape}, {image.dtype}: expected {expected}")
        image = Image.fromarray(image)
    if isinstance(image, Image.Image):
        require_pixels(image.width * image.height, image.size)
        return image
    raise UsageError(f"type {type(image).__name__}: expected an image, as a path, PIL image, array or tensor")


def checked(image: Tensor) -> Tensor:
    """A tensor as float32 `[3, H, W]` on the CPU, in [0, 1]. Raises UsageError where it is no image."""
    if image.ndim != 3 or image.shape[0] != 3:
        last = image.ndim == 3 and image.shape[2] == 3
        fix = "; move the channels first with x.permute(2, 0, 1)" if last else ""
        raise UsageError(
            f"a tensor of shape {tuple(image.shape)}, {image.dtype}: expected floats [3, H, W] in [0, 1]{fix}"
        )
    return pixels(image).cpu()


def pixels(x: Tensor) -> Tensor:
    """Pixels in [0, 1], clamped where they are beyond by at most `TOLERANCE`."""
    what = f"a tensor of shape {tuple(x.shape)}, {x.dtype}"
    if not x.is_floating_point():
        raise UsageError(f"{what}: expected floats in [0, 1]; convert levels of 0 to 255 with x / 255")
    if not x.numel():
        raise UsageError(f"{what}: expected at least one pixel")
    x = x.detach()
    if not x.isfinite().all():
        raise UsageError(f"{what} that holds NaN or infinity: expected floats in [0, 1]")
    low, high = (float(bound) for bound in x.aminmax())
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        raise UsageError(f"{what}, of values from {low:.4g} to {high:.4g}: expected [0, 1]; {_conversion(low, high)}")
    return x.float().clamp(0, 1)


def require_pixels(count: int, shape: tuple[int, ...]) -> None:
    """Raise UsageError for an image without pixels."""
    if not count:
        raise UsageError(f"an image of shape {shape}: expected at least one pixel")


def _conversion(low: float, high: float) -> str:
    """The expression that takes values of this range to [0, 1]."""
    if low >= -1 - TOLERANCE and high <= 1 + TOLERANCE:
        return "convert values of -1 to 1 with (x + 1) / 2"
    if low >= -TOLERANCE and high <= 255 + TOLERANCE:
        return "convert levels of 0 to 255 with x / 255"
    return "undo the normalisation, such as with x * std + mean"
