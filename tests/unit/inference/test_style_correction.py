"""Feedback, on a decoder that draws half of the style it is given and leaves the rest to the content."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sivae_translate.inference.style_correction import answered
from sivae_translate.types import Code, Gaussian, Latents


class HalfHearted:
    """Its picture shows (style + content) / 2, which its encoder reads as it is; numbers in place of pictures."""

    def encode(self, x: Any) -> Latents:
        return Latents(Gaussian(x[:, :, None, None], 0 * x[:, :, None, None]), Gaussian(x, 0 * x))

    def decode(self, code: Code) -> Any:
        assert code.style is not None
        return (code.style + code.content[:, :, 0, 0]) / 2


@pytest.mark.parametrize("rounds", [0, 1, 2, 20])
def test_each_round_halves_what_is_missing(rounds: int) -> None:
    content, asked = torch.rand(5, 3, 1, 1) * 0.4 + 0.3, torch.rand(5, 3) * 0.4 + 0.3
    model = HalfHearted()
    style = answered(model, content, asked, rounds)
    missing, before = (asked - model.decode(Code(content, s)) for s in (style, asked))
    torch.testing.assert_close(missing, before / 2**rounds, atol=1e-6, rtol=1e-4)


def test_a_style_that_cannot_be_shown_stays_finite_and_the_asked_one_is_left_alone() -> None:
    content, asked = torch.zeros(1, 3, 1, 1), torch.full((1, 3), 9.0)  # pictures end at 1
    assert answered(HalfHearted(), content, asked, 3).tolist() == [[33.0] * 3]
    assert asked.tolist() == [[9.0] * 3]
