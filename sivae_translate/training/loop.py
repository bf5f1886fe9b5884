"""The algorithm, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from sivae_translate.training.optimizers import Players
from sivae_translate.training.state import Budget, Schedule, State
from sivae_translate.types import Batch, Round

Terms = dict[str, Tensor]


def train(
    model: Any,
    objective: Any,
    batches: Iterator[Batch],
    players: Players,
    average: AveragedModel,
    *,
    accelerator: Accelerator,
    budget: Budget,
    schedule: Schedule,
    state: State,
    augment: Callable[[Batch, float, torch.Generator], Batch],
    watch: Callable[[State, float, Terms], bool],
    seed: int,
) -> None:
    """Play until the budget is spent, or until `watch` asks to stop.

    Args:
        batches: endless stream on the accelerator's device; each process has its own.
        average: the exponential moving average of the model, updated in place.
        state: where to start, updated in place.
        augment: applied on the device, given the progress; to be drawn from the generator alone.
        watch: called before every step and once at the end with (state, progress, terms of the step before); logs,
            draws, saves; True stops the run.
        seed: all randomness of a step comes from (seed, process, images seen), so a resumed run repeats none.
    """
    generator = torch.Generator(accelerator.device)
    terms: Terms = {}
    while True:
        started = time.monotonic()
        progress = budget.progress(state)
        stop = watch(state, progress, terms)
        if stop or progress >= 1:
            return
        generator.manual_seed(hash((seed, accelerator.process_index, state.images)) % 2**63)
        batch = augment(next(batches), progress, generator)
        players.lr = schedule(state.images, progress)
        terms = {}
        for turn in rounds(objective.play(model, batch, progress, generator, average.module), accelerator):
            players.update(turn)
            terms |= turn.terms
        average.update_parameters(model)
        state.step += 1
        state.images += len(batch) * accelerator.num_processes
        state.seconds += same_everywhere(time.monotonic() - started, accelerator)


def rounds(play: Iterator[Round], accelerator: Accelerator) -> Iterator[Round]:
    """The rounds of a step, each computed in the run's precision; what is done with them in between is not."""
    while True:
        with accelerator.autocast():
            turn = next(play, None)
        if turn is None:
            return
        yield turn


def same_everywhere(value: float, accelerator: Accelerator) -> float:
    """The largest of the processes' values, so that all agree when the time is up."""
    if accelerator.num_processes == 1:
        return value
    gathered: Tensor = accelerator.gather(torch.tensor([value], device=accelerator.device))
    return float(gathered.max())
