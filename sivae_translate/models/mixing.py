"""Every content in every style, as one grid."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sivae_translate.types import Code


@torch.no_grad()
def mixing_grid(model: Any, contents: Tensor, styles: Tensor) -> Tensor:
    """Contents `[N, 3, H, W]` down, styles `[M, 3, H, W]` across, the images they come from along the edges.

    Returns:
        `[(N + 1) * (M + 1), 3, H, W]`, row by row, nominally in [0, 1]; the corner is white.
    """
    content, style = model.encode(contents).mean.content, model.encode(styles).mean.style
    assert style is not None
    swaps = [model.decode(Code(c.expand(len(styles), *c.shape), style)) for c in content]
    rows = [torch.cat([original[None], row]) for original, row in zip(contents, swaps, strict=True)]
    return torch.cat([torch.ones_like(contents[:1]), styles, *rows])
