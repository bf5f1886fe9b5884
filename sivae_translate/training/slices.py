"""Slices of a step's batch: one for each process, and in it one for each pass of gradient accumulation.

The gradients of all slices are averaged. Means over rows, as all losses are, then have the gradient of the whole batch.
"""

from __future__ import annotations

import torch

from sivae_translate.errors import UsageError
from sivae_translate.objectives.sampling import SliceGenerator
from sivae_translate.recipe import Recipe
from sivae_translate.types import Batch


def require_equal_slices(recipe: Recipe, processes: int) -> None:
    """Raise UsageError where a recipe's batch is not whole pairs for each slice."""
    batch, accumulate = recipe.data.batch, recipe.training.accumulate
    slices = processes * accumulate
    if batch % (2 * slices):
        whole = -(-batch // (2 * slices)) * 2 * slices
        raise UsageError(
            f"data.batch = {batch}: cannot be split into whole pairs for {processes} process"
            f"{'es' if processes > 1 else ''} with training.accumulate = {accumulate}: expected a multiple of "
            f"{2 * slices}, such as --set data.batch={whole}"
        )


def more_slices(recipe: Recipe, processes: int) -> int | None:
    """The next `training.accumulate` that splits a recipe's batch into whole pairs; None where each slice is one pair.

    At least twice as many slices, which halves the memory of a step.
    """
    pairs, slices = recipe.data.batch // (2 * processes), recipe.training.accumulate
    return next((more for more in range(2 * slices, pairs + 1) if pairs % more == 0), None)


def split(batch: Batch, count: int) -> list[Batch]:
    """A process's rows, unwarped, as `count` slices, which take its pairs in turn."""
    if count == 1:
        return [batch]
    pairs = torch.arange(len(batch), device=batch.images.device).view(-1, 2)
    rows = [pairs[k::count].flatten() for k in range(count)]
    return [Batch(batch.images[own].contiguous(memory_format=torch.channels_last), batch.domains[own]) for own in rows]


def slice_generators(device: torch.device, process: int, processes: int, count: int) -> list[SliceGenerator]:
    """A generator for each slice of a process; its slice k has the pairs process + processes (k + count i)."""
    return [SliceGenerator(device, process + processes * k, processes * count) for k in range(count)]
