"""Random numbers of a step: samples by reparametrisation, and draws for each row, all from one generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from sivae_translate.types import Code, Distribution, Randn


class SliceGenerator(torch.Generator):
    """A generator for one of several slices of a batch, which processes or gradient accumulation compute apart.

    The functions below draw for all slices, and return the rows of this one. With equal seeds the slices together
    have the noise of the whole batch. Slices take the pairs of the batch in turn: slice k of n has the pairs k, k + n,
    k + 2n and so on. The first rows of all slices are then the first rows of the batch.
    """

    index: int
    count: int

    def __new__(cls, device: torch.device | str = "cpu", index: int = 0, count: int = 1) -> SliceGenerator:
        self: SliceGenerator = super().__new__(cls, device)  # type: ignore[call-arg]
        self.index, self.count = index, count
        return self


def sample(p: Distribution, generator: torch.Generator) -> Code:
    """A code from a distribution, by reparametrisation."""
    return p.draw(noise_source(generator))


def noise_source(generator: torch.Generator) -> Randn:
    """A function from a shape `[rows, ...]` to standard normal noise, on the generator's device."""
    return lambda shape: _own_rows(torch.randn, shape, generator, 2)


def uniform(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Uniform draws in [0, 1) of this shape `[rows, ...]`, on the generator's device."""
    return _own_rows(torch.rand, shape, generator, 2)


def uniform_by_pair(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Uniform draws in [0, 1) of this shape `[pairs, ...]`, on the generator's device."""
    return _own_rows(torch.rand, shape, generator, 1)


def integers(low: int, high: int, shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Draws of low..high - 1, int64, of this shape `[rows, ...]`, on the generator's device."""
    return _own_rows(lambda size, **options: torch.randint(low, high, size, **options), shape, generator, 2)


def _own_rows(draw: Callable[..., Tensor], shape: Sequence[int], generator: torch.Generator, together: int) -> Tensor:
    """The rows of the generator's slice, in units of `together` rows, of a draw for all slices."""
    index, count = (generator.index, generator.count) if isinstance(generator, SliceGenerator) else (0, 1)
    rows, *rest = shape
    drawn = draw((rows * count, *rest), generator=generator, device=generator.device)
    return drawn if count == 1 else drawn.view(-1, count, together, *rest)[:, index].reshape(shape)
