"""Ways through the latent space: from one code to another, and from a code along a direction.

Content goes along a sphere. Its prior is N(0, I), which keeps nearly all its mass at a distance of sqrt(dimensions)
from the origin, and there the codes of images lie; half-way along a straight line they would be closer in than any
code the decoder has met (White 2016, arXiv:1609.04468). Style goes along a straight line: it lies around the codes of
the domains, wherever training put those, and their origin means nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sivae_translate.errors import UsageError, did_you_mean
from sivae_translate.types import Code

PARTS = ("content", "style", "both")
STRAIGHT = 1e-4  # sine of the angle between two codes, below which no arc can be told from a line


def between(start: Code, end: Code, steps: int, what: str) -> Code:
    """`steps` codes at even distances from `start` to `end`, both of one row and both among them.

    Args:
        what: "content" or "style", the other part staying that of `start`, or "both".

    Raises:
        UsageError: fewer than 2 steps, no such part, or a style where there is none.
    """
    at_least_two(steps)
    t = torch.linspace(0, 1, steps, device=start.content.device)
    style = None
    if start.style is not None and end.style is not None:
        style = torch.lerp(start.style, end.style, t[:, None])
    return only(what, Code(spherical(start.content, end.content, t), style), start)


def along(start: Code, direction: Code, strengths: Sequence[float], what: str) -> Code:
    """`start` + strength * `direction`, both of one row, a row for each strength; `what` as in `between`.

    Raises:
        UsageError: no strength, no such part, a style where there is none, or a direction of other dimensions.
    """
    if not strengths:
        raise UsageError("no strength given: expected one or more")
    if shape(direction) != shape(start):
        raise UsageError(f"a direction of {shape(direction)}: expected {shape(start)}")
    s = torch.tensor(strengths, device=start.content.device)
    style = None
    if start.style is not None and direction.style is not None:
        style = start.style + s[:, None] * direction.style
    return only(what, Code(start.content + s[:, None, None, None] * direction.content, style), start)


def spherical(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """From a to b, `[1, K, g, g]`, at t `[n]` in [0, 1] -> `[n, K, g, g]`: the angle grows evenly, and so does the
    length (Shoemake 1985, of codes that need not be of one length). Straight where a and b point the same way, or
    opposite ways."""
    t = t[:, None, None, None]
    line = torch.lerp(a, b, t)
    from_a, from_b = a.norm(), b.norm()
    angle = torch.arccos(((a * b).sum() / (from_a * from_b)).clamp(-1, 1))
    if not angle.sin() > STRAIGHT:  # so that an angle with nothing, NaN, is straight too
        return line
    length = torch.lerp(from_a, from_b, t)
    weight_a, weight_b = (torch.sin(share * angle) / angle.sin() for share in (1 - t, t))
    arc: Tensor = weight_a * (length / from_a) * a + weight_b * (length / from_b) * b
    return arc


def only(what: str, moved: Code, start: Code) -> Code:
    """The rows of `moved` in the parts that `what` names, and `start` in the other."""
    if what not in PARTS:
        raise UsageError(f"what was {what!r}: {did_you_mean(what, list(PARTS))}")
    if moved.style is None and what == "style":
        raise UsageError("what was 'style', and this model has a single latent: expected content or both")
    still = start.map(lambda t: t.expand(len(moved), *t.shape[1:]))
    return {"content": moved.with_style_of(still), "style": still.with_style_of(moved), "both": moved}[what]


def strengths(text: str, steps: int) -> list[float]:
    """What is meant by "-2..2": so many numbers from -2 to 2, both among them; by "2": that number alone.

    Raises:
        UsageError: it is neither, or fewer than 2 steps of a range.
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
    style = "no style" if code.style is None else f"style {list(code.style.shape)}"
    return f"content {list(code.content.shape)} and {style}"


def at_least_two(steps: int) -> None:
    if steps < 2:
        raise UsageError(f"steps was {steps}: expected 2 or more, the first and the last among them")
