"""Paths through the latent space: interpolation between two codes, and a code moved along an attribute direction.

Content is interpolated spherically (White 2016, arXiv:1609.04468). Under N(0, I) nearly all codes have a norm near
sqrt(dimensions). The middle of a straight line has a lower norm than all codes in training. Style is interpolated
linearly, as its priors are centred on the means of the domains.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sivae_translate.errors import UsageError, did_you_mean
from sivae_translate.inference.arguments import is_real, whole
from sivae_translate.types import Code

PARTS = ("content", "style", "both")
STRAIGHT = 1e-4  # sine of the angle between two codes, below which arc and line are equal in float32


def between(start: Code, end: Code, steps: int, what: str) -> Code:
    """Interpolation of two codes of one row -> a code of `steps` rows, evenly spaced, with both ends.

    Args:
        what: the part that changes, "content", "style" or "both"; the other part stays that of `start`.

    Raises:
        UsageError: fewer than 2 steps, no such part, or the style of a single latent.
    """
    at_least_two(steps)
    t = torch.linspace(0, 1, steps, device=start.content.device)
    style = None
    if start.style is not None and end.style is not None:
        style = torch.lerp(start.style, end.style, t[:, None])
    return only(what, Code(spherical(start.content, end.content, t), style), start)


def along(start: Code, direction: Code, strengths: Sequence[float], what: str) -> Code:
    """start + strength * direction, two codes of one row -> a row for each strength.

    Args:
        what: the part of the direction that is added, "content", "style" or "both".

    Raises:
        UsageError: no strength, no such part, the style of a single latent, or a direction of other dimensions.
    """
    if not isinstance(strengths, Sequence) or not all(is_real(s) and math.isfinite(s) for s in strengths):
        raise UsageError(f"strengths was {strengths!r}: expected a list of finite numbers")
    if not strengths:
        raise UsageError("strengths was empty: expected one number or more")
    if shape(direction) != shape(start):
        raise UsageError(f"a direction of {shape(direction)}: expected {shape(start)}")
    s = torch.tensor(strengths, device=start.content.device)
    style = None
    if start.style is not None and direction.style is not None:
        style = start.style + s[:, None] * direction.style
    return only(what, Code(start.content + s[:, None, None, None] * direction.content, style), start)


def spherical(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Spherical interpolation (Shoemake 1985) of a and b, `[1, K, g, g]`, at t, `[n]` in [0, 1] -> `[n, K, g, g]`.

    Angle and norm are linear in t. Parallel and opposite codes are interpolated linearly.
    """
    t = t[:, None, None, None]
    line = torch.lerp(a, b, t)
    from_a, from_b = a.norm(), b.norm()
    angle = torch.arccos(((a * b).sum() / (from_a * from_b)).clamp(-1, 1))
    if not angle.sin() > STRAIGHT:  # also for NaN, the angle to a code of zeros
        return line
    length = torch.lerp(from_a, from_b, t)
    weight_a, weight_b = (torch.sin(fraction * angle) / angle.sin() for fraction in (1 - t, t))
    arc: Tensor = weight_a * (length / from_a) * a + weight_b * (length / from_b) * b
    return arc


def only(what: str, moved: Code, start: Code) -> Code:
    """The rows of `moved` with the part that `what` does not name taken from `start`, of one row."""
    if what not in PARTS:
        raise UsageError(f"what was {what!r}: {did_you_mean(str(what), list(PARTS))}")
    if moved.style is None and what == "style":
        raise UsageError("what was 'style', and this model has a single latent: expected content or both")
    fixed = start.map(lambda t: t.expand(len(moved), *t.shape[1:]))
    return {"content": moved.with_style_of(fixed), "style": fixed.with_style_of(moved), "both": moved}[what]


def strengths(text: str, steps: int) -> list[float]:
    """The strengths in a text: "-2..2" gives `steps` evenly spaced values from -2 to 2, "2" gives one.

    Raises:
        UsageError: neither a finite number nor a range, or a range of fewer than 2 steps.
    """
    try:
        ends = [float(end) for end in text.split("..")]
    except ValueError:
        ends = []
    if len(ends) not in (1, 2) or not all(map(math.isfinite, ends)):
        raise UsageError(f"strength {text!r}: expected a number or a range, such as --strength -2..2")
    if len(ends) == 1:
        return ends
    at_least_two(steps)
    low, high = ends
    return [float(strength) for strength in torch.linspace(low, high, steps, dtype=torch.float64)]


def shape(code: Code) -> str:
    """The shapes of content and style as text."""
    style = "no style" if code.style is None else f"style {list(code.style.shape)}"
    return f"content {list(code.content.shape)} and {style}"


def at_least_two(steps: int) -> None:
    """Raise UsageError for fewer than 2 steps."""
    whole("steps", steps, 2, ", the first and the last among them")
