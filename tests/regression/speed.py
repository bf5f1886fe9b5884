"""Median time of a training step, over that of the literal one in float32, at CIFAR-10's size.

`python tests/regression/speed.py` prints both and their ratio; no test depends on them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from literal_step import Noise, PaperWeights, literal_step
from torch import Tensor

from sivae_translate.device import pick_device, pick_precision
from sivae_translate.models import ConvAutoencoder
from sivae_translate.objectives import OBJECTIVES
from sivae_translate.training.loop import autocast
from sivae_translate.training.optimizers import Optimizers
from sivae_translate.training.processes import new_accelerator
from sivae_translate.types import Batch, Phase

BATCH, SIZE, STEPS, SKIPPED = 32, 32, 12, 2


def fresh_model(device: str) -> ConvAutoencoder:
    torch.manual_seed(0)
    return ConvAutoencoder(domains=["all"], size=SIZE).to(device)


def median_seconds(step: Callable[[], None]) -> float:
    """The median over `STEPS` steps, the first `SKIPPED` left out: they also set up kernels."""
    times = []
    for _ in range(STEPS):
        started = time.perf_counter()
        step()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return statistics.median(times[SKIPPED:])


def literal(x: Tensor, device: str) -> Callable[[], None]:
    """The paper's step, in float32."""
    model = fresh_model(device)
    optimizers = Optimizers(model, new_accelerator(device, "fp32"), lr=2e-4, betas=(0.9, 0.999))

    def update(part: str, loss: Tensor) -> None:
        optimizers.step(Phase((part,), loss, {}, retain_graph=True))

    return lambda: literal_step(model, x, Noise.draw(model, x), PaperWeights(), update)


def shared(x: Tensor, device: str) -> Callable[[], None]:
    """The package's step, in the precision that is faster on this device."""
    model = fresh_model(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    accelerator = new_accelerator(device, pick_precision("auto", device))
    optimizers = Optimizers(model, accelerator, lr=2e-4, betas=(0.9, 0.999))
    domains = torch.zeros(BATCH, dtype=torch.int64, device=device)
    batch = Batch(x.contiguous(memory_format=torch.channels_last), domains)
    objective, generator = OBJECTIVES["soft-introvae"](), torch.Generator(device)

    def step() -> None:
        for phase in autocast(objective.play(model, batch, 1.0, generator, model), accelerator):
            optimizers.step(phase)

    return step


def main() -> None:
    device = pick_device("auto")
    x = torch.rand(BATCH, 3, SIZE, SIZE, device=device)
    paper, ours = median_seconds(literal(x, device)), median_seconds(shared(x, device))
    print(f"literal {paper * 1e3:.0f} ms, shared {ours * 1e3:.0f} ms, {paper / ours:.2f} times as fast")


if __name__ == "__main__":
    main()
