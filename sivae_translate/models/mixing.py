"""The style-mixing grid: every content decoded in every style."""

from __future__ import annotations

import torch
from torch import Tensor

from sivae_translate.types import Code, Model


@torch.no_grad()
def mixing_grid(model: Model, contents: Tensor, styles: Tensor) -> Tensor:
    """The style-mixing grid (Karras et al. 2019, arXiv:1812.04948, fig. 3), with a row per content, a column per style.

    Args:
        model: a model with style, used through `encode` and `decode`.
        contents: images `[N, 3, H, W]` in [0, 1].
        styles: images `[M, 3, H, W]` in [0, 1].

    Returns:
        `[(N + 1) * (M + 1), 3, H, W]`, row by row, nominally in [0, 1]. The first row shows `styles`, the first column
        `contents`, and their corner is white.
    """
    content, style = model.encode(contents).mean.content, model.encode(styles).mean.style
    assert style is not None
    translations = [model.decode(Code(c.expand(len(styles), *c.shape), style)) for c in content]
    rows = [torch.cat([original[None], row]) for original, row in zip(contents, translations, strict=True)]
    return torch.cat([torch.ones_like(contents[:1]), styles, *rows])
