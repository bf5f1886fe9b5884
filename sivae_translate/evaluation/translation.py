"""The evaluation's only calls that translate, so that every metric measures the same translations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sivae_translate.inference.inversion import invert
from sivae_translate.inference.style_correction import corrected_style, rounds_for
from sivae_translate.inference.translator import Translator
from sivae_translate.types import Code


@dataclass(frozen=True)
class Translation:
    """A translator with the settings of an evaluation.

    Attributes:
        inversion_steps: steps of Adam on each reference's code, for its style; see `invert`.
        style_correction: rounds of iterative style correction; see `corrected_style`.
        batch: images decoded at a time.
    """

    translator: Translator
    inversion_steps: int
    style_correction: int
    batch: int

    def to_references(self, content: np.ndarray, style: np.ndarray) -> Tensor:
        """Each content in the style of its own reference, uint8 `[B, H, W, 3]` both -> `[B, 3, H, W]`."""
        model, prepare = self.translator.model, self.translator.prepare
        with torch.no_grad():
            codes = model.encode(prepare(list(content))).mean.content
        styles = invert(model, prepare(list(style)), self.inversion_steps).style
        assert styles is not None
        rounds = rounds_for(model, self.style_correction)
        return self.restyle(codes, corrected_style(model, codes, styles, rounds))

    def restyle(self, content: Tensor, style: Tensor) -> Tensor:
        """Contents `[B, K, g, g]` decoded in a style `[S]`, or in `[B, S]` -> images, uint8 `[B, 3, H, W]`."""
        content = content.to(self.translator.device)
        style = style.to(self.translator.device).expand(len(content), -1)
        return to_uint8(self.translator.decode(Code(content, style)))


def to_uint8(x: Tensor) -> Tensor:
    """Images `[B, 3, H, W]` in [0, 1] -> uint8, on the CPU."""
    return (x * 255).round().byte().cpu()
