"""Random shifts against slices of a mirrored image."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from sivae_translate.objectives.shifts import random_shifts, shifted

REACH = 3  # between the places of an image and of its translation


def images(rows: int = 5) -> torch.Tensor:
    return torch.rand(rows, 3, 8, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_a_shift_is_a_window_of_the_mirrored_image() -> None:
    x, shifts = images(), torch.tensor([[0, 0], [1, -2], [-3, 3], [2, 0], [-1, -1]])
    wide = F.pad(x, [REACH] * 4, mode="reflect")
    for row, (a, b) in enumerate(shifts.tolist()):
        window = wide[row, :, REACH + a : REACH + a + 8, REACH + b : REACH + b + 6]
        assert torch.equal(shifted(x, shifts)[row], window)


def test_the_gradient_goes_back_to_the_pixel_it_came_from() -> None:
    x, shifts = images(2).requires_grad_(), torch.tensor([[1, -2], [-2, 1]])
    (gradient,) = torch.autograd.grad(shifted(x, shifts)[0, 0, 3, 4], x)
    assert gradient[0, 0, 4, 2] == 1 and gradient.sum() == 1
    torch.autograd.gradcheck(lambda image: shifted(image, shifts), x)


def test_rows_shift_apart_by_every_pair_of_four_offsets() -> None:
    shifts = random_shifts(2000, torch.Generator().manual_seed(0))
    counts = torch.bincount((shifts[:, 0] + 2) * 4 + shifts[:, 1] + 2)
    assert len(counts) == 16 and counts.min() > 80
