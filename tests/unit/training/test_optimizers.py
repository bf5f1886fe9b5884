"""Updates of the encoder and of the decoder, their learning rates, and the moving average of the weights."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import nn

from sivae_translate.models.autoencoder import PRIOR_LR, StyleAutoencoder
from sivae_translate.training.optimizers import NonFiniteLossError, Optimizers, moving_average
from sivae_translate.training.processes import new_accelerator
from sivae_translate.training.state import Schedule
from sivae_translate.types import Phase


class Pair(nn.Module):
    """An encoder of two weights and a decoder of one."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(2, 1, bias=False), nn.Linear(1, 1, bias=False)
        self.lr_multipliers: dict[str, float] = {}


def optimizers_of(model: nn.Module, *, clip: float = 0.0, lr: float = 0.1) -> Optimizers:
    return Optimizers(model, new_accelerator("cpu", "fp32"), lr=lr, betas=(0.0, 0.99), clip=clip)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_changes_no_weight(value: float) -> None:
    pair = Pair()
    before = pair.encoder.weight.clone()
    with pytest.raises(NonFiniteLossError, match="encoder"):
        optimizers_of(pair).step(Phase(("encoder",), pair.encoder.weight.sum() * value, {}))
    assert torch.equal(pair.encoder.weight, before)
    assert pair.encoder.weight.grad is None


class Poison(torch.autograd.Function):
    """The identity, whose gradient is a given value."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor, value: float) -> torch.Tensor:
        context.value = value
        return x.clone()

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:  # type: ignore[override]
        return torch.full_like(gradient, context.value), None


@pytest.mark.parametrize("clip", [0.0, 0.1])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_under_a_finite_loss_changes_nothing(value: float, clip: float) -> None:
    pair = Pair()
    optimizers = optimizers_of(pair, clip=clip)
    optimizers.step(Phase(("encoder", "decoder"), pair.encoder.weight.sum() + pair.decoder.weight.sum(), {}))
    before = copy.deepcopy([pair.state_dict(), *(adam.state_dict()["state"] for adam in optimizers.adam.values())])
    loss = pair.encoder.weight.sum() + Poison.apply(pair.decoder.weight, value).sum()  # type: ignore[no-untyped-call]
    with pytest.raises(NonFiniteLossError, match="gradient in the decoder") as caught:
        optimizers.step(Phase(("encoder", "decoder"), loss, {}))
    assert loss.isfinite() and str(caught.value).endswith(str(value))
    after = [pair.state_dict(), *(adam.state_dict()["state"] for adam in optimizers.adam.values())]
    torch.testing.assert_close(after, before, rtol=0, atol=0)
    assert all(weight.grad is None for weight in pair.parameters())


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_phase_updates_its_part_and_leaves_no_gradient_behind(part: str) -> None:
    pair = Pair()
    before = {name: weight.clone() for name, weight in pair.named_parameters()}
    loss = sum(weight.square().sum() for weight in pair.parameters())
    optimizers_of(pair).step(Phase((part,), loss, {}))  # type: ignore[arg-type]
    for name, weight in pair.named_parameters():
        assert torch.equal(weight, before[name]) != name.startswith(part)
        assert weight.grad is None


def test_a_phase_keeps_its_graph_only_where_it_says_so() -> None:
    for retain_graph in (True, False):
        pair = Pair()
        optimizers = optimizers_of(pair)
        loss = pair.encoder.weight.square().sum() * pair.decoder.weight.square().sum()
        optimizers.step(Phase(("encoder",), loss, {}, retain_graph))
        if retain_graph:
            optimizers.step(Phase(("decoder",), loss, {}))
        else:
            with pytest.raises(RuntimeError, match="a second time"):
                optimizers.step(Phase(("decoder",), loss, {}))


@pytest.mark.parametrize(("clip", "expected"), [(0.5, [0.3, -0.4]), (0.0, [30.0, -40.0])])
def test_the_gradient_of_each_part_is_clipped_by_its_own_norm(clip: float, expected: list[float]) -> None:
    pair = Pair()
    optimizers = optimizers_of(pair, clip=clip)
    loss = (pair.encoder.weight * torch.tensor([30.0, -40.0])).sum() + 0.25 * pair.decoder.weight.sum()
    optimizers.step(Phase(("encoder", "decoder"), loss, {}))
    momentum = {part: adam.state_dict()["state"][0]["exp_avg"] for part, adam in optimizers.adam.items()}
    torch.testing.assert_close(momentum["encoder"], torch.tensor([expected]), rtol=1e-5, atol=0)
    torch.testing.assert_close(momentum["decoder"], torch.tensor([[0.25]]))


def test_the_style_prior_learns_at_a_multiple_of_the_rate_through_the_whole_schedule() -> None:
    model = StyleAutoencoder(domains=("a", "b"), size=16, width=16, max_width=16)
    optimizers, schedule = optimizers_of(model), Schedule(lr=0.1, warmup_images=100)
    prior = set(model.decoder["prior"].parameters())  # type: ignore[union-attr]
    for images, progress in ((0, 0.0), (50, 0.1), (1000, 0.5), (1900, 0.95)):
        optimizers.lr = lr = schedule(images, progress)
        assert optimizers.lr == pytest.approx(lr)
        for adam in optimizers.adam.values():
            for group in adam.param_groups:
                for parameter in group["params"]:
                    assert group["lr"] == pytest.approx(lr * (PRIOR_LR if parameter in prior else 1))
    assert PRIOR_LR == 8


def test_the_two_optimizers_hold_every_parameter_once() -> None:
    model = StyleAutoencoder(domains=("a", "b"), size=16, width=16, max_width=16)
    groups = [group["params"] for adam in optimizers_of(model).adam.values() for group in adam.param_groups]
    held = [parameter for group in groups for parameter in group]
    assert len(held) == len(set(held)) and set(held) == set(model.parameters())


def test_the_moving_average_forgets_its_start_in_short_runs() -> None:
    layer = nn.Linear(1, 1, bias=False)
    ema = moving_average(layer, 0.999)
    for value in [100.0] + [1.0] * 200:
        nn.init.constant_(layer.weight, value)
        ema.update_parameters(layer)
    assert ema.module.weight.item() == pytest.approx(1.0, abs=0.5)
    nn.init.constant_(layer.weight, 2.0)
    ema.update_parameters(layer)
    assert 1.0 < ema.module.weight.item() < 1.5


def test_the_moving_average_reaches_its_decay_in_long_runs() -> None:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 0.0)
    ema = moving_average(layer, 0.9)
    for _ in range(100):
        ema.update_parameters(layer)
    nn.init.constant_(layer.weight, 1.0)
    ema.update_parameters(layer)
    assert ema.module.weight.item() == pytest.approx(0.1)
