"""The training step beside the paper's literal one, with the same networks and weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from sivae_translate.bench.literal_step import Noise, PaperWeights, literal_step
from sivae_translate.bench.ratio import Ratio, in_turn
from sivae_translate.device import pick_precision
from sivae_translate.models import Autoencoder, ConvAutoencoder
from sivae_translate.objectives import OBJECTIVES
from sivae_translate.training.loop import autocast, step
from sivae_translate.training.optimizers import Optimizers
from sivae_translate.training.processes import new_accelerator
from sivae_translate.types import Batch, Phase

LR, BETAS = 2e-4, (0.9, 0.999)
GOAL = {"cpu": 3.0, "cuda": 6.0}


@dataclass(frozen=True)
class Size:
    """Networks and batch of a measurement: side in pixels, largest number of channels from 64 on, rows."""

    pixels: int
    max_width: int
    batch: int

    def __str__(self) -> str:
        return f"{self.pixels} px, 64 to {self.max_width} channels, batch {self.batch}"

    def model(self, device: str) -> ConvAutoencoder:
        torch.manual_seed(0)
        return ConvAutoencoder(domains=["all"], size=self.pixels, max_width=self.max_width).to(device)

    def images(self, device: str) -> Tensor:
        return torch.rand(self.batch, 3, self.pixels, self.pixels, device=device)


SIZES = (Size(32, 256, 32), Size(64, 512, 16))


def step_ratios(device: str) -> Iterator[Ratio]:
    """How many times as fast as the literal step in float32 the step is, in each precision of training."""
    for size in SIZES:
        for precision in dict.fromkeys((pick_precision("auto", device), "fp32")):
            ours, literal = in_turn(
                our_step(size.model(device), size.batch, device, precision), paper_step(size, device), rounds=6
            )
            yield Ratio(
                "training step",
                ours * 1e3,
                literal * 1e3,
                "ms",
                "the literal fp32 step",
                literal / ours,
                GOAL.get(device.partition(":")[0]) if precision != "fp32" else None,
                f"{size}, {precision}",
            )


def paper_step(size: Size, device: str) -> Callable[[], None]:
    """The literal step, in float32."""
    model, x = size.model(device), size.images(device)
    optimizers = Optimizers(model, new_accelerator(device, "fp32"), lr=LR, betas=BETAS)

    def update(part: str, loss: Tensor) -> None:
        optimizers.step(Phase((part,), loss, {}, retain_graph=True))

    return lambda: literal_step(model, x, Noise.draw(model, x), PaperWeights(), update)


def our_step(model: Autoencoder, rows: int, device: str, precision: str) -> Callable[[], None]:
    """The package's step of Soft-IntroVAE, on a batch of random images in pairs of one domain."""
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    accelerator = new_accelerator(device, precision)
    optimizers = Optimizers(model, accelerator, lr=LR, betas=BETAS)
    x = torch.rand(rows, 3, model.size, model.size, device=device).contiguous(memory_format=torch.channels_last)
    batch = Batch(x, torch.arange(rows, device=device) // 2 % len(model.domains))
    objective, generator = OBJECTIVES["soft-introvae"](), torch.Generator(device)

    def run() -> None:
        step([autocast(objective.play(model, batch, 1.0, generator, model), accelerator)], optimizers)  # type: ignore[arg-type]

    return run
