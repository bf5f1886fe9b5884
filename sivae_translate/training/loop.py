"""The training loop: batch, augmentation, phases of the objective, two optimizers, moving average."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from sivae_translate.training.optimizers import Optimizers
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
    captured: Callable[[Batch, float, torch.Generator], Terms] | None = None,
) -> None:
    """Train until the budget is spent, or until the monitor asks to stop.

    Args:
        model: a `types.Model`.
        batches: endless stream on the accelerator's device, different in each process.
        ema: the exponential moving average of the model, updated in place.
        state: where to start, updated in place.
        augment: applied on the device, given the progress; draws from the generator alone.
        monitor: called before every step and once at the end with (state, progress, terms of the step before); logs,
            draws, saves. True stops the run.
        seed: the randomness of a step comes from (seed, process, images seen) and its batch from (seed, process, step),
            so a resumed run repeats none.
        captured: does the phases, the updates and the moving average in place of the loop; see `captured.CapturedStep`.

    Raises:
        NonFiniteLossError: a loss or a gradient became NaN or infinite; its phase has updated nothing.
    """
    generator = torch.Generator(accelerator.device)
    terms: Terms = {}
    while True:
        started = time.monotonic()
        progress = budget.progress(state)
        stop = monitor(state, progress, terms)
        if stop or progress >= 1:
            return
        generator.manual_seed(hash((seed, accelerator.process_index, state.images)) % 2**63)
        batch = augment(next(batches), progress, generator)
        optimizers.lr = state.lr_scale * schedule(state.images, progress)
        if captured is not None:
            terms = captured(batch, progress, generator)
        else:
            terms = {}
            for phase in autocast(objective.play(model, batch, progress, generator, ema.module), accelerator):  # type: ignore[arg-type]
                optimizers.step(phase)
                terms |= phase.terms
            ema.update_parameters(model)
        state.step += 1
        state.images += len(batch) * accelerator.num_processes
        state.seconds += largest(time.monotonic() - started, accelerator)


def autocast(phases: Iterator[Phase], accelerator: Accelerator) -> Iterator[Phase]:
    """The phases, computed under autocast; the caller's updates between two phases are not."""
    while True:
        with accelerator.autocast():
            phase = next(phases, None)
        if phase is None:
            return
        yield phase


def largest(value: float, accelerator: Accelerator) -> float:
    """The maximum over processes, so that all processes agree on the time spent."""
    if accelerator.num_processes == 1:
        return value
    gathered: Tensor = accelerator.gather(torch.tensor([value], device=accelerator.device))
    return float(gathered.max())
