"""The grid of every content in every style, cell by cell."""

from __future__ import annotations

from pathlib import Path

import torch

from sivae_translate.inference.translator import Translator
from sivae_translate.models.mixing import mixing_grid


def test_a_grid_has_contents_down_and_styles_across(translator: Translator, cars: Path) -> None:
    paths = sorted((cars / "unseen").rglob("*.png"))
    contents, styles = translator.prepare(list(paths[:2])), translator.prepare(list(paths[100:103]))
    grid = mixing_grid(translator.model, contents, styles).view(3, 4, 3, 16, 16)
    assert (grid[0, 0] == 1).all() and torch.equal(grid[0, 1:], styles) and torch.equal(grid[1:, 0], contents)
    codes = translator.encode(styles).style
    assert codes is not None
    for row, content in zip(grid[1:, 1:], contents, strict=True):
        for cell, style in zip(row, codes, strict=True):
            assert torch.allclose(cell.clamp(0, 1), translator.translate(content[None], style)[0], atol=1e-5)
