"""The training step as a CUDA graph: a single launch in place of thousands, and no wait for the device.

Small images leave a GPU idle between kernels, as Python launches them more slowly than they run. A graph of the kernels
is recorded once and replayed from then on. Its inputs therefore have fixed places on the device, and nothing in it
depends on a value that only the device knows.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from sivae_translate.errors import SivaeError, UsageError, one_line
from sivae_translate.models import Autoencoder
from sivae_translate.recipe import Training
from sivae_translate.training.loop import Terms, autocast
from sivae_translate.training.optimizers import NonFiniteLossError, Optimizers, decay_at
from sivae_translate.training.out_of_memory import ran_out
from sivae_translate.training.processes import launched
from sivae_translate.types import Batch, Objective

WARM_UP = 3  # steps of a stage before its capture; they set up Adam's moments and the kernels of the convolutions


def check_capture(settings: Training, device: str) -> None:
    """Raise UsageError where `training.capture` is set and a step cannot be captured."""
    if not settings.capture:
        return
    if not device.startswith("cuda"):
        raise UsageError(f"training.capture = true on {device}: expected a CUDA GPU; set training.capture=false")
    if settings.precision == "fp16":
        raise UsageError("training.capture = true in fp16: expected training.precision bf16, fp32 or auto")
    if settings.accumulate > 1 or settings.recompute:
        raise UsageError(
            "training.capture = true with training.accumulate or training.recompute: expected one of the two ways; "
            "set training.capture=false"
        )
    if launched() and os.environ["WORLD_SIZE"] != "1":
        raise UsageError(
            f"training.capture = true in {os.environ['WORLD_SIZE']} processes: expected one; set training.capture=false"
        )


class StaticStep:
    """The step of `loop.train_loop` on inputs in fixed places: the batch, the learning rates, and the moving average's
    decay. It waits for the device only in `require_finite`.

    A phase whose loss or gradient is not finite updates nothing, and neither do the later phases of its step nor the
    moving average.

    Args:
        decay: limit of the moving average's decay; see `optimizers.decay_at`.
    """

    def __init__(
        self,
        model: Autoencoder,
        objective: Objective,
        optimizers: Optimizers,
        ema: AveragedModel,
        accelerator: Accelerator,
        *,
        decay: float,
    ) -> None:
        self.model, self.objective, self.optimizers, self.ema = model, objective, optimizers, ema
        self.accelerator, self.decay = accelerator, decay
        device = accelerator.device
        self.lr = {part: [torch.zeros((), device=device) for _ in groups] for part, groups in self._groups().items()}
        self.ema_weight = torch.zeros((), device=device, dtype=next(model.parameters()).dtype)
        self.found_inf = torch.zeros((), device=device)  # 1 from a non-finite phase to the end of its step
        self.lost = torch.zeros((), device=device)  # steps with such a phase
        self.batch: Batch | None = None

    def __call__(self, batch: Batch, progress: float, generator: torch.Generator) -> Terms:
        """One step on a batch, with the learning rates of the optimizers. Returns the terms of its phases.

        Args:
            batch: of the same shape in every call.
            generator: the same in every call, seeded anew by the caller.
        """
        self._set_inputs(batch)
        terms = self.run(progress, generator)
        self.ema.n_averaged += 1
        return terms

    def run(self, progress: float, generator: torch.Generator) -> Terms:
        """The step on what the inputs hold."""
        return self.compute(progress, generator)

    def compute(self, progress: float, generator: torch.Generator) -> Terms:
        """All operations of a step, none of which depends on a value on the device."""
        assert self.batch is not None
        terms: Terms = {}
        self.found_inf.zero_()
        phases = self.objective.play(self.model, self.batch, progress, generator, self.ema.module)  # type: ignore[arg-type]
        with self._values_on_device():
            for phase in autocast(phases, self.accelerator):
                loss, norms, phase_terms = self.optimizers.backward(phase)
                self.found_inf.copy_(torch.maximum(self.found_inf, found_inf([loss, *norms])))
                self.optimizers.update(phase)
                terms |= phase_terms
        self._average()
        self.lost += self.found_inf
        return terms

    def require_finite(self) -> None:
        """Wait for the device.

        Raises:
            NonFiniteLossError: a step since the last call had a loss or a gradient that was NaN or infinite.
        """
        lost = int(self.lost)
        self.lost.zero_()
        if lost:
            steps = "a step" if lost == 1 else f"{lost:,} steps"
            raise NonFiniteLossError(f"a loss or its gradient became NaN or infinite in {steps}")

    def _groups(self) -> dict[str, list[dict[str, Any]]]:
        return {part: adam.param_groups for part, adam in self.optimizers.adam.items()}

    def _set_inputs(self, batch: Batch) -> None:
        if self.batch is None:
            parts = (batch.images, batch.domains, batch.targets)  # targets of their own also where none is warped
            self.batch = Batch(*(torch.empty_like(part) for part in parts))
        self.batch.images.copy_(batch.images)
        self.batch.domains.copy_(batch.domains)
        self.batch.targets.copy_(batch.targets)
        for part, groups in self._groups().items():
            for group, lr in zip(groups, self.lr[part], strict=True):
                lr.fill_(group["lr"])
        n = int(self.ema.n_averaged)  # lies in the main memory
        self.ema_weight.fill_(1 - decay_at(n, self.decay) if n else 1)

    @contextmanager
    def _values_on_device(self) -> Iterator[None]:
        """A block in which both Adams read the learning rate and the finite check from the device.

        Outside the block their groups hold plain numbers, which the schedule sets and a checkpoint saves.
        """
        adams = [(adam.optimizer, self.lr[part]) for part, adam in self.optimizers.adam.items()]
        plain = [[dict(group) for group in adam.param_groups] for adam, _ in adams]
        try:
            for adam, rates in adams:
                adam.found_inf = self.found_inf  # where fused Adam looks for it, as for torch.amp.GradScaler
                for group, lr in zip(adam.param_groups, rates, strict=True):
                    group.update(lr=lr, capturable=lr.is_cuda)
            yield
        finally:
            for (adam, _), groups in zip(adams, plain, strict=True):
                del adam.found_inf
                for group, before in zip(adam.param_groups, groups, strict=True):
                    group.update(lr=before["lr"], capturable=before["capturable"])

    @torch.no_grad()
    def _average(self) -> None:
        averaged: list[Tensor] = [*self.ema.module.parameters()]
        current: list[Tensor] = [*self.model.parameters()]
        change = torch._foreach_sub(current, averaged)
        torch._foreach_mul_(change, self.ema_weight * (1 - self.found_inf))
        torch._foreach_add_(averaged, change)


class CapturedStep(StaticStep):
    """A step that is captured once for each stage of the objective, and replayed from then on.

    The first `WARM_UP` steps of a stage run uncaptured. Loading a state replaces Adam's moments, so a step is to be
    constructed after that.
    """

    stage, steps = "", 0  # the stage of the last step, and the steps since it began
    graph: torch.cuda.CUDAGraph | None = None
    terms: Terms

    @cached_property
    def stream(self) -> torch.cuda.Stream:
        return torch.cuda.Stream(self.accelerator.device)  # type: ignore[no-untyped-call]

    def run(self, progress: float, generator: torch.Generator) -> Terms:
        """The step on what the inputs hold, by a replay where the stage has been captured."""
        stage = self.objective.stage(progress)
        if stage != self.stage:
            torch.cuda.synchronize(self.accelerator.device)  # the graph to be deleted may still run
            self.stage, self.steps, self.graph, self.terms = stage, 0, None, {}
        self.steps += 1
        if self.steps <= WARM_UP:
            return self._warm_up(progress, generator)
        if self.graph is None:
            self.graph = self._capture(progress, generator)
        self.graph.replay()
        return {name: value.clone() for name, value in self.terms.items()}  # the next replay overwrites them

    def _warm_up(self, progress: float, generator: torch.Generator) -> Terms:
        """A step on the stream of the capture, as PyTorch's notes on CUDA graphs ask for."""
        current = torch.cuda.current_stream(self.accelerator.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            terms = self.compute(progress, generator)
        current.wait_stream(self.stream)
        return {name: value.clone() for name, value in terms.items()}

    def _capture(self, progress: float, generator: torch.Generator) -> torch.cuda.CUDAGraph:
        """Record a step, which does not run yet.

        Raises:
            SivaeError: an operation of the step cannot be captured.
        """
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(generator)  # each replay then draws from the generator's current seed
        try:
            # Only this thread must not wait for the device: another one pins the memory of the next batch.
            with torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
                self.terms = self.compute(progress, generator)
        except RuntimeError as error:
            if ran_out(error):
                raise
            raise SivaeError(
                f"the step cannot be captured ({one_line(error)}): run the same command with --set "
                "training.capture=false"
            ) from error
        return graph


def found_inf(values: Sequence[Tensor]) -> Tensor:
    """1 where a scalar is NaN or infinite, else 0; a float32 scalar on the device of the first."""
    return (~torch.stack([value.float() for value in values]).isfinite().all()).float()
