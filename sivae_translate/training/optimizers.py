"""The two optimizers, one for the encoder and one for the decoder, and the moving average of the weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from sivae_translate.errors import SivaeError
from sivae_translate.models import Autoencoder
from sivae_translate.types import Phase

PARTS = ("encoder", "decoder")


class NonFiniteLossError(SivaeError):
    """A loss or its gradient was NaN or infinite. Its phase has updated nothing."""


class Optimizers:
    """Adam for the encoder, and Adam for the decoder.

    Gradients are averaged over processes here, once per phase. DistributedDataParallel averages only for calls of
    `forward`, and training calls `encode` and `decode`.

    Args:
        model: a `types.Model` with `lr_multipliers`, see `models.autoencoder.Autoencoder`.
        clip: largest gradient norm of each part, or 0 for no limit (Pascanu et al. 2013, arXiv:1211.5063, algorithm 1).
            A single outlier can have a thousand times the usual gradient; Adam then changes every weight by ten times
            the learning rate.
    """

    def __init__(
        self, model: Autoencoder, accelerator: Accelerator, *, lr: float, betas: tuple[float, float], clip: float = 0.0
    ) -> None:
        self.accelerator, self.clip = accelerator, clip
        self.parameters: dict[str, list[nn.Parameter]] = {
            part: list(getattr(model, part).parameters()) for part in PARTS
        }
        self.adam = {
            part: accelerator.prepare(torch.optim.Adam(parameter_groups(model, part), lr, betas, fused=True))
            for part in PARTS
        }

    @property
    def lr(self) -> float:
        """The learning rate, without the multipliers of parameter groups."""
        group = self.adam["encoder"].param_groups[0]
        return float(group["lr"] / group["lr_multiplier"])

    @lr.setter
    def lr(self, lr: float) -> None:
        for optimizer in self.adam.values():
            for group in optimizer.param_groups:
                group["lr"] = lr * group["lr_multiplier"]

    def step(self, phase: Phase, others: Sequence[Iterator[Phase]] = ()) -> dict[str, Tensor]:
        """Update the parts that the phase names, on every process alike; the other part's weights stay as they are.

        Args:
            others: the plays of further slices of the batch, of which each has this phase next. Each is computed after
                the gradients of the slice before, and all gradients are averaged.

        Returns:
            The means of the phase's terms over the slices of this process, detached.

        Raises:
            NonFiniteLossError: the loss or a gradient is NaN or infinite, on any process; no weight has been updated.
        """
        loss, norms, terms = self.backward(phase, others)
        self._require_finite(phase, loss, norms)
        self.update(phase)
        return terms

    def backward(
        self, phase: Phase, others: Sequence[Iterator[Phase]] = ()
    ) -> tuple[Tensor, list[Tensor], dict[str, Tensor]]:
        """Compute the gradients of a phase, averaged over slices and processes, and clipped; see `step`.

        Returns:
            The loss, averaged likewise; the norm of each part's gradient before clipping; the terms as in `step`.
        """
        parameters = [p for part in phase.updates for p in self.parameters[part]]
        slices, losses, terms = 1 + len(others), list[Tensor](), list[dict[str, Tensor]]()
        for each in chain([phase], map(next, others)):
            self.accelerator.backward(each.loss / slices, inputs=parameters, retain_graph=each.retain_graph)
            losses.append(each.loss.detach())
            terms.append({name: value.detach() for name, value in each.terms.items()})
        loss = self._average_gradients(parameters, mean(losses))
        norms = [self._gradient_norm(part) for part in phase.updates]
        return loss, norms, {name: mean([values[name] for values in terms]) for name in phase.terms}

    def update(self, phase: Phase) -> None:
        """Update the parts that the phase names by their gradients, which are then deleted."""
        for part in phase.updates:
            self.adam[part].step()
            self.adam[part].zero_grad()

    def _gradient_norm(self, part: str) -> Tensor:
        """The norm of a part's gradient, which is then clipped."""
        if self.clip:
            self.accelerator.unscale_gradients(self.adam[part])
            return nn.utils.clip_grad_norm_(self.parameters[part], self.clip)
        return nn.utils.get_total_norm([p.grad for p in self.parameters[part] if p.grad is not None])

    def _require_finite(self, phase: Phase, loss: Tensor, norms: list[Tensor]) -> None:
        """Raise NonFiniteLossError, without gradients left behind. One look at all values waits for the device once.

        With float16 the gradient scaler skips a step of an infinite gradient, and lowers its scale.
        """
        checked = [loss] if self.accelerator.scaler else [loss, *norms]
        if torch.stack([value.to(loss.device, torch.float32) for value in checked]).isfinite().all():
            return
        for part in phase.updates:
            self.adam[part].zero_grad()
        names = ["loss", *(f"gradient in the {part}" for part in phase.updates)]
        name, value = next(pair for pair in zip(names, checked, strict=False) if not pair[1].isfinite())
        raise NonFiniteLossError(f"the {' and '.join(phase.updates)}'s {name} became {float(value)}")

    def _average_gradients(self, parameters: list[nn.Parameter], loss: Tensor) -> Tensor:
        """Average the gradients over processes, and return the mean of the loss, which travels with them."""
        if self.accelerator.num_processes == 1:
            return loss
        used = [p for p in parameters if p.grad is not None]
        gradients = [p.grad for p in used if p.grad is not None]
        values = [loss, *gradients]
        averaged = self.accelerator.reduce(torch.cat([value.flatten() for value in values]), "mean")
        mean_loss, *pieces = torch.split(averaged, [value.numel() for value in values])
        for parameter, gradient, piece in zip(used, gradients, pieces, strict=True):
            parameter.grad = gradient.copy_(piece.view_as(gradient))  # fused Adam relies on the memory layout
        return mean_loss[0]


def mean(values: list[Tensor]) -> Tensor:
    return values[0] if len(values) == 1 else torch.stack(values).mean(0)


def parameter_groups(model: Autoencoder, part: str) -> list[dict[str, Any]]:
    """The parameter groups of one part of a model, one per learning-rate multiplier."""
    multiplier = {
        parameter: factor
        for name, factor in model.lr_multipliers.items()
        for parameter in model.get_submodule(name).parameters()
    }
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in getattr(model, part).parameters():
        groups.setdefault(multiplier.get(parameter, 1.0), []).append(parameter)
    return [{"params": parameters, "lr_multiplier": factor} for factor, parameters in groups.items()]


def moving_average(model: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of the weights, with the decay of `decay_at`."""

    def average(averaged: Any, current: Any, count: Tensor | int) -> None:
        step = get_ema_multi_avg_fn(decay_at(int(count), decay))  # type: ignore[no-untyped-call]
        step(averaged, current, count)

    return AveragedModel(model, multi_avg_fn=average).requires_grad_(False)


def decay_at(n: int, decay: float) -> float:
    """The moving average's decay at update n, min(decay, (1 + n) / (10 + n)): short runs forget the start."""
    return min(decay, (1 + n) / (10 + n))
