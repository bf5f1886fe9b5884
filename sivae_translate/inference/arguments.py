"""Checks of arguments: numbers, images, styles and codes. Each raises UsageError with the given and the expected value.

Tensors are returned as float32, detached. Host programs pass tensors of other types, ranges and devices.
"""

from __future__ import annotations

import numbers

from torch import Tensor

from sivae_translate.data.given import pixels
from sivae_translate.errors import UsageError
from sivae_translate.models import Autoencoder
from sivae_translate.types import Code


def whole(name: str, value: object, least: int, note: str = "") -> int:
    """A whole number of at least `least`. The message ends with `note`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or int(value) < least:
        raise UsageError(f"{name} was {value!r}: expected {least} or more{note}")
    return int(value)


def is_real(value: object) -> bool:
    """Whether a value is a number, which may be infinite or NaN."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def batch_of(x: object, size: int) -> Tensor:
    """Images `[B, 3, size, size]` in [0, 1]; see `pixels`."""
    expected = f"expected floats [B, 3, {size}, {size}] in [0, 1], such as prepare(images)"
    if not isinstance(x, Tensor):
        raise UsageError(f"a {type(x).__name__} as images: {expected}")
    if x.ndim != 4 or x.shape[1:] != (3, size, size) or not len(x):
        raise UsageError(f"a tensor of shape {tuple(x.shape)}, {x.dtype}: {expected}")
    return pixels(x)


def one_style(style: Tensor, size: int) -> Tensor:
    """A style `[S]`, S = `size`."""
    if style.shape != (size,):
        raise UsageError(f"a style of shape {list(style.shape)}: expected one style, [{size}]")
    return finite("a style", style)


def styles_of(style: object, size: int, rows: int) -> Tensor:
    """A style `[S]`, or one for each of B rows, `[B, S]` -> `[B, S]`."""
    expected = f"expected [{size}] or [{rows}, {size}]"
    if not isinstance(style, Tensor):
        raise UsageError(f"a {type(style).__name__} as style: {expected}")
    if style.shape not in ((size,), (1, size), (rows, size)):
        raise UsageError(f"a style of shape {list(style.shape)}: {expected}")
    return finite("a style", style).expand(rows, -1)


def code_of(code: object, model: Autoencoder) -> Code:
    """A code of B >= 1 rows in the shapes of a model's codes."""
    if not isinstance(code, Code):
        raise UsageError(f"a {type(code).__name__} as code: expected a Code, such as encode(images)")
    return Code(
        contents_of(code.content, model),
        None if not model.style_size else styles_of(code.style, model.style_size, len(code)),
        None if code.noise is None else finite("the noise of a code", code.noise),
    )


def contents_of(content: object, model: Autoencoder) -> Tensor:
    """Contents `[B, K, g, g]`, or `[B, K, levels, 1]` for a model with a latent per level."""
    channels, *grid = model.content_shape
    expected = f"expected contents [B, {channels}, {grid[0]}, {grid[1]}], such as encode(images).content"
    if not isinstance(content, Tensor):
        raise UsageError(f"a {type(content).__name__} as content: {expected}")
    grids = (grid, [getattr(model, "levels", grid[0]), 1])
    if content.ndim != 4 or not len(content) or content.shape[1] != channels or list(content.shape[2:]) not in grids:
        raise UsageError(f"a content of shape {list(content.shape)}: {expected}")
    return finite("a content", content)


def finite(what: str, values: Tensor) -> Tensor:
    """Floats that are finite, also as float32."""
    if not values.is_floating_point():
        raise UsageError(f"{what} of {values.dtype}: expected floats")
    cast = values.detach().float()
    if not cast.isfinite().all():
        raise UsageError(f"{what} that holds NaN or infinity in float32: expected finite floats")
    return cast
