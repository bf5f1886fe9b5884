"""Going back to a snapshot gives the same training again, any number of times."""

from __future__ import annotations

import torch
from torch import nn

from sivae_translate.training.optimizers import Optimizers, moving_average
from sivae_translate.training.processes import new_accelerator
from sivae_translate.training.snapshot import Snapshot
from sivae_translate.training.state import State
from sivae_translate.types import Phase


class Pair(nn.Module):
    """A convolution in channels-last memory, of which fused Adam is particular, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)
        self.lr_multipliers: dict[str, float] = {}
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def test_steps_after_a_return_are_those_after_the_snapshot() -> None:
    torch.manual_seed(0)
    model = Pair()
    ema = moving_average(model, 0.9)
    optimizers = Optimizers(model, new_accelerator("cpu", "fp32"), lr=0.1, betas=(0.9, 0.99))  # type: ignore[arg-type]
    parts = (model, ema, optimizers)
    state = State()

    def steps(count: int) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(state.step)
        for _ in range(count):
            x = torch.randn(2, 3, 8, 8, generator=generator)
            loss = model.decoder(model.encoder(x).mean((2, 3))).square().sum()
            optimizers.step(Phase(("encoder", "decoder"), loss, {}))
            ema.update_parameters(model)
            state.step += 1
        return [value.clone() for module in (model, ema) for value in module.state_dict().values()]

    beginning = Snapshot(*parts, state)  # type: ignore[arg-type]
    first = steps(3)
    snapshot = Snapshot(*parts, state)  # type: ignore[arg-type]
    second = steps(3)
    for _ in range(2):
        state = snapshot.restore(*parts)  # type: ignore[arg-type]
        assert state.step == 3
        assert all(map(torch.equal, steps(3), second))
    state = beginning.restore(*parts)  # type: ignore[arg-type]
    assert state.step == 0
    assert all(map(torch.equal, steps(3), first))
