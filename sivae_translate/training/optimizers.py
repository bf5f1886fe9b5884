"""The two optimizers, one for the encoder and one for the decoder, and the moving average of the weights."""

from __future__ import annotations

from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from sivae_translate.errors import SivaeError
from sivae_translate.types import Round


class NonFiniteLossError(SivaeError):
    """A loss was NaN or infinite. No weight has been touched by it."""


class Players:
    """Encoder and decoder, an Adam each.

    Gradients are averaged over processes here, once per round, rather than by DistributedDataParallel, whose hooks
    `encode` and `decode` would bypass. Those of a player that are longer than `clip` are shortened to it (Pascanu et
    al. 2013, arXiv:1211.5063, algorithm 1): one odd image can have a gradient a thousand times the usual, and Adam
    then moves every weight by ten times the rate. 0: no limit.
    """

    def __init__(
        self, model: Any, accelerator: Accelerator, *, lr: float, betas: tuple[float, float], clip: float = 0.0
    ) -> None:
        self.accelerator, self.clip = accelerator, clip
        modules: dict[str, nn.Module] = {"encoder": model.encoder, "decoder": model.decoder}
        self.parameters = {name: list(module.parameters()) for name, module in modules.items()}
        self.optimizers = {
            name: accelerator.prepare(torch.optim.Adam(parameters, lr, betas, fused=True))
            for name, parameters in self.parameters.items()
        }

    @property
    def lr(self) -> float:
        return float(self.optimizers["encoder"].param_groups[0]["lr"])

    @lr.setter
    def lr(self, lr: float) -> None:
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = lr

    def update(self, turn: Round) -> None:
        """One step of the players whose turn it is, on every process alike; the others' weights stay as they are."""
        loss = self.accelerator.reduce(turn.loss.detach(), "mean")
        if not torch.isfinite(loss):
            raise NonFiniteLossError(f"the {' and '.join(turn.learns)}'s loss became {float(loss)}")
        parameters = [p for name in turn.learns for p in self.parameters[name]]
        self.accelerator.backward(turn.loss, inputs=parameters, retain_graph=turn.shares_graph)
        self._average_gradients(parameters)
        for name in turn.learns:
            if self.clip:
                self.accelerator.unscale_gradients(self.optimizers[name])
                nn.utils.clip_grad_norm_(self.parameters[name], self.clip)
            self.optimizers[name].step()
            self.optimizers[name].zero_grad()

    def _average_gradients(self, parameters: list[nn.Parameter]) -> None:
        if self.accelerator.num_processes == 1:
            return
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        mean = self.accelerator.reduce(torch.cat([gradient.flatten() for gradient in gradients]), "mean")
        parts = mean.split([gradient.numel() for gradient in gradients])
        for parameter, gradient, part in zip(parameters, gradients, parts, strict=True):
            parameter.grad = gradient.copy_(part.view_as(gradient))  # its memory layout stays: fused Adam relies on it


def moving_average(model: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of the weights; the decay grows to `decay`, so short runs forget their start."""

    def average(averaged: Any, current: Any, count: Tensor | int) -> None:
        n = int(count)
        step = get_ema_multi_avg_fn(min(decay, (1 + n) / (10 + n)))  # type: ignore[no-untyped-call]
        step(averaged, current, count)

    return AveragedModel(model, multi_avg_fn=average).requires_grad_(False)
