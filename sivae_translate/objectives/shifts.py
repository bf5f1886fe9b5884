"""Random shifts of the images that a critic compares: the translation of DiffAugment (Zhao et al. 2020, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor

from sivae_translate.objectives.sampling import integers

REACH = 2  # pixels; the shifts are the four from -2 to 1, as many as pixels between the places of a picture's layout


def random_shifts(rows: int, generator: torch.Generator) -> Tensor:
    """Shifts along both axes, int64 `[rows, 2]` in pixels, -REACH..REACH - 1."""
    return integers(-REACH, REACH, (rows, 2), generator)


def shifted(images: Tensor, shifts: Tensor) -> Tensor:
    """Images `[B, C, H, W]` whose pixel (i, j) is the input's (i + a, j + b), for (a, b) in `shifts`, `[B, 2]`.

    Beyond the border the input is mirrored, without a second copy of the border itself.
    """
    for axis, shift in zip((2, 3), shifts.unbind(1), strict=True):
        last = images.shape[axis] - 1
        index = torch.arange(last + 1, device=images.device) + shift[:, None]
        index = last - (last - index.abs()).abs()
        index = index.view(len(images), 1, -1, 1).transpose(2, axis)  # one for every channel and line
        images = images.gather(axis, index.expand_as(images))
    return images
