"""Iterative style correction, on a decoder that shows half of the requested style and half of the content's trace."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sivae_translate.errors import UsageError
from sivae_translate.inference.style_correction import corrected_style, rounds_for
from sivae_translate.types import Code, Gaussian, Posterior


class HalfShown:
    """A model whose image is (style + content) / 2 and whose encoder reads the image as its style."""

    def encode(self, x: Any) -> Posterior:
        return Posterior(Gaussian(x[:, :, None, None], 0 * x[:, :, None, None]), Gaussian(x, 0 * x))

    def decode(self, code: Code) -> Any:
        assert code.style is not None
        return (code.style + code.content[:, :, 0, 0]) / 2


@pytest.mark.parametrize("iterations", [0, 1, 2, 20])
def test_each_iteration_halves_the_error_of_the_style(iterations: int) -> None:
    content, requested = torch.rand(5, 3, 2, 2) * 0.4 + 0.3, torch.rand(5, 3) * 0.4 + 0.3
    model = HalfShown()
    style = corrected_style(model, content, requested, iterations)
    error, before = (requested - model.decode(Code(content, s)) for s in (style, requested))
    torch.testing.assert_close(error, before / 2**iterations, atol=1e-6, rtol=1e-4)


def test_a_style_beyond_the_range_of_images_stays_finite() -> None:
    content, requested = torch.zeros(1, 3, 2, 2), torch.full((1, 3), 9.0)  # images end at 1
    assert corrected_style(HalfShown(), content, requested, 3).tolist() == [[33.0] * 3]
    assert requested.tolist() == [[9.0] * 3]


def of_content(*shape: int) -> Any:
    return SimpleNamespace(content_shape=shape, size=16)


def test_a_vector_content_gets_no_correction_and_a_layout_all_iterations() -> None:
    assert rounds_for(of_content(8, 4, 4), 3) == 3
    assert rounds_for(of_content(8, 1, 1), 3) == 0  # a vector
    assert rounds_for(of_content(3, 16, 16), 3) == 0  # the picture
    with pytest.raises(UsageError):
        rounds_for(of_content(8, 1, 1), -1)
