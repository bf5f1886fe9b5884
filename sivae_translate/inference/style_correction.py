"""Feedback: the encoder looks at a translation, and the style is moved by what it finds missing."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sivae_translate.types import Code

ROUNDS = 2  # where content has a layout; more gain little


@torch.no_grad()
def answered(model: Any, content: Tensor, style: Tensor, rounds: int) -> Tensor:
    """The styles to decode with, so that the encoder sees in the pictures more of the styles that were asked for.

    Content with a layout keeps a trace of its domain, and a decoder that was trained on contents of the style's own
    domain relies on it: under a foreign style it draws half of what was asked for. Each round adds the style that is
    missing to the one decoded with, a fixed-point iteration on s = s + (asked - E(D(c, s))). Where content has no
    trace of its domain there is little to add, and what is added are the encoder's own errors.

    Args:
        model: talked to through `encode` and `decode`.
        content: `[B, K, g, g]`.
        style: asked for, `[B, S]`.
        rounds: a pass of the decoder and of the encoder each; 0 is the style itself.
    """
    found = style
    for _ in range(rounds):
        seen = model.encode(model.decode(Code(content, found)).clamp(0, 1)).style
        found = found + style - seen.mean
    return found
