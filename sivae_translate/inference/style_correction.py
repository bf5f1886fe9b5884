"""Iterative style correction: the style of a translation is encoded and its error is subtracted from the style."""

from __future__ import annotations

import torch
from torch import Tensor

from sivae_translate.inference.arguments import whole
from sivae_translate.models import Autoencoder
from sivae_translate.types import Code, Model

ROUNDS = 2  # the default; a third round changes little


@torch.no_grad()
def corrected_style(model: Model, content: Tensor, style: Tensor, rounds: int) -> Tensor:
    """Styles `[B, S]` whose translations are encoded to the requested styles.

    A content with a layout keeps a trace of its own domain, and the decoder learns to rely on that trace. With the
    style of a reference from another domain, the translation then shows only part of the requested style s*. The
    correction is a fixed-point iteration from s = s*: each round sets s <- s + (s* - E_s(D(c, s))).

    Args:
        model: used through `encode` and `decode`.
        content: c, `[B, K, g, g]`.
        style: s*, the requested styles, `[B, S]`.
        rounds: number of iterations, each with one decoder and one encoder pass; 0 returns `style`.
    """
    corrected = style
    for _ in range(rounds):
        shown = model.encode(model.decode(Code(content, corrected)).clamp(0, 1)).style
        assert shown is not None
        corrected = corrected + style - shown.mean
    return corrected


def rounds_for(model: Autoencoder, style_correction: int) -> int:
    """Rounds for a model: `style_correction`, or 0 where the content is a vector, or the picture itself.

    A vector content keeps no trace of its domain, so a correction would only add the encoder's error. Where the content
    is the picture, the style is that of a domain, and the decoder has learned no other.

    Raises:
        UsageError: no whole number, or a negative one.
    """
    whole("style_correction", style_correction, 0, f", such as {ROUNDS}")
    return style_correction if 1 < model.content_shape[-1] < model.size else 0
