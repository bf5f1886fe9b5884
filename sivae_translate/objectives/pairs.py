"""Rows in pairs of one domain: reconstructions use the partner's style, translations the style of another pair."""

from __future__ import annotations

from torch import Tensor

from sivae_translate.types import Code


def swap_styles(code: Code) -> Code:
    """Each row with its partner's style, rows 2i and 2i + 1 being partners. A single latent is returned as it is.

    A row is reconstructed from its own content and this style, so style can hold only what a pair shares.
    """
    if code.style is None:
        return code
    pairs = code.style.view(-1, 2, code.style.shape[-1])
    return Code(code.content, pairs.flip(1).reshape(code.style.shape))


def previous_pair(rows: Tensor) -> Tensor:
    """Rows `[B, ...]` of the previous pair in place of each pair's own, cyclically.

    With few domains the previous pair may be of the same domain, and with a batch of 2 it is the pair itself.
    """
    return rows.roll(2, 0)


def whole_pairs(fraction: float, rows: int) -> int:
    """A fraction of the rows, rounded to whole pairs, at least one pair."""
    return max(2, round(fraction * rows / 2) * 2)
