"""The training loop: batch, augmentation, phases of the objective, two optimizers, moving average."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from sivae_translate.training.optimizers import Optimizers
from sivae_translate.training.recompute import Recomputed
from sivae_translate.training.slices import slice_generators, split
from sivae_translate.training.state import Budget, Schedule, State
from sivae_translate.types import Batch, Objective, Phase

Terms = dict[str, Tensor]


def train_loop(
    model: nn.Module,
    objective: Objective,
    batches: Iterator[Batch],
    optimizers: Optimizers,
    ema: AveragedModel,
    *,
    accelerator: Accelerator,
    budget: Budget,
    schedule: Schedule,
    state: State,
    augment: Callable[[Batch, float, torch.Generator], Batch],
    monitor: Callable[[State, float, Terms], bool],
    seed: int,
    agree: Callable[[float], float] = float,
    accumulate: int = 1,
    recompute: bool = False,
    captured: Callable[[Batch, float, torch.Generator], Terms] | None = None,
) -> None:
    """Train until the budget is spent, or until the monitor asks to stop.

    Args:
        model: a `types.Model`.
        batches: endless stream on the accelerator's device; in each process its own slice of a batch.
        ema: the exponential moving average of the model, updated in place.
        state: where to start, updated in place.
        augment: applied on the device, given the progress; draws from the generator alone.
        monitor: called before every step and once at the end with (state, progress, terms of the step before, means
            over the rows of this process); logs, draws, saves. True stops the run.
        seed: the randomness of a step comes from (seed, images seen) and its batch from (seed, step), so a resumed run
            repeats none, and any number of processes and slices has the same; see `sampling.SliceGenerator`.
        agree: from the seconds of a step in this process to those that all processes count; see `Agreement`.
        accumulate: slices of a process's batch, computed one after the other; see `slices`.
        recompute: whether passes are computed again for gradients; see `Recomputed`.
        captured: does the phases, the updates and the moving average in place of the loop, for a single slice; see
            `captured.CapturedStep`.

    Raises:
        NonFiniteLossError: a loss or a gradient became NaN or infinite; its phase has updated nothing.
    """
    generators = slice_generators(accelerator.device, accelerator.process_index, accelerator.num_processes, accumulate)
    networks: list[Any] = [model, ema.module]
    network, averaged = map(Recomputed, networks) if recompute else networks
    terms: Terms = {}
    started = time.monotonic()
    while True:
        now = time.monotonic()
        state.seconds += agree(now - started)
        started, progress = now, budget.progress(state)
        stop = monitor(state, progress, terms)
        if stop or progress >= 1:
            return
        batch = next(batches)
        optimizers.lr = state.lr_scale * schedule(state.images, progress)
        slices = []
        for rows, generator in zip(split(batch, accumulate), generators, strict=True):
            generator.manual_seed(hash((seed, 0, state.images)) % 2**63)
            slices.append((augment(rows, progress, generator), generator))
        if captured is not None:
            terms = captured(slices[0][0], progress, generators[0])
        else:
            plays = [
                autocast(objective.play(network, rows, progress, generator, averaged), accelerator)
                for rows, generator in slices
            ]
            terms = step(plays, optimizers)
            ema.update_parameters(model)
        state.step += 1
        state.images += len(batch) * accelerator.num_processes


def step(plays: list[Iterator[Phase]], optimizers: Optimizers) -> Terms:
    """The phases of a step, each on all slices of the batch before the next; returns the terms."""
    first, *others = plays
    terms: Terms = {}
    for phase in first:
        terms |= optimizers.step(phase, others)
    return terms


def autocast(phases: Iterator[Phase], accelerator: Accelerator) -> Iterator[Phase]:
    """The phases, computed under autocast; the caller's updates between two phases are not."""
    while True:
        with accelerator.autocast():
            phase = next(phases, None)
        if phase is None:
            return
        yield phase
