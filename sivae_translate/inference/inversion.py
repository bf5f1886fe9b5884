"""Reconstruction by search: the code under which the decoder comes closest to an image, from the encoder's on.

The encoder's code is a guess made in one pass, and what it misses is the amortisation gap (Cremer et al. 2018,
arXiv:1801.03558); a search for each image closes it, as in projection into a generator (Zhu et al. 2016).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from sivae_translate.errors import UsageError
from sivae_translate.objectives.functional import squared_error
from sivae_translate.types import Code

RATE = 0.05  # of Adam, in units of a prior of variance 1; twice as much gains 0.3 dB in 100 steps and strays further
PERFECT = 1e-10  # mean squared error of a perfect picture, 100 dB


@torch.enable_grad()
def best_code(model: Any, x: Tensor, steps: int, *, one_style: bool = False) -> Code:
    """The best code of each image `[B, 3, H, W]` among the encoder's and those of `steps` steps of Adam from there.

    What is minimised is the squared error alone. The KL as a regulariser buys a little nearness to the prior with
    error; few steps from the encoder's code do that by themselves, and there is no weight to choose. Best is the
    least error at 8 bits, so that no picture comes out worse than the encoder's. Each image is searched by itself; as
    Adam magnifies what float32 rounds, another batch may change it by a level of 255 in 100 steps. The weights stay
    as they are.

    Args:
        model: talked to through `encode` and `decode`.
        steps: 0 is the encoder's code.
        one_style: the images share one style, as references do. It starts at the mean of the encoder's; each image has
            a content of its own, and best is the least error over all of them.

    Returns:
        A row for each image; of one style, the same in each.

    Raises:
        UsageError: a negative number of steps.
    """
    if steps < 0:
        raise UsageError(f"steps was {steps}: expected 0, the encoder's own code, or more")
    guess: Code = model.encode(x).mean.detach()
    if one_style and guess.style is not None:
        guess = replace(guess, style=guess.style.mean(0, keepdim=True))

    def each_row(part: Tensor) -> Tensor:
        return part.expand(len(x), *part.shape[1:])

    if steps == 0:
        return guess.map(each_row)
    code = guess.map(lambda t: t.clone().requires_grad_())
    best, least = guess.map(torch.clone), torch.full((len(x),), torch.inf, device=x.device)
    optimizer = torch.optim.Adam(tensors(code), lr=RATE)
    for step in range(steps + 1):
        images = model.decode(code.map(each_row))
        error = squared_error(x, eight_bit(images.detach()))
        if one_style:
            error = error.sum().expand(len(x))
        better = error < least
        least = torch.where(better, error, least)
        for kept, found in zip(tensors(best), tensors(code), strict=True):
            rows = better[: len(kept)]
            kept[rows] = found.detach()[rows]
        if step < steps:
            optimizer.zero_grad()
            torch.autograd.backward(squared_error(x, images).sum())
            optimizer.step()
    return best.map(each_row)


def tensors(code: Code) -> list[Tensor]:
    return [code.content] if code.style is None else [code.content, code.style]


def eight_bit(images: Tensor) -> Tensor:
    """Images as a file holds them: clamped to [0, 1], in steps of 1/255."""
    return (images.float().clamp(0, 1) * 255).round() / 255


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """PSNR in dB of images `[B, 3, H, W]` in [0, 1] -> `[B]`, at most 100."""
    return -10 * torch.log10((squared_error(x, y) / x[0].numel()).clamp(min=PERFECT))
