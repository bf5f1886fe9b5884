"""An estimate of the time and the memory that training takes on this machine, from a few steps on random images."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch

from sivae_translate.memory import peak_bytes
from sivae_translate.models.pretrained import build_model
from sivae_translate.recipe import Recipe
from sivae_translate.training.augment import augment_batch
from sivae_translate.training.loop import autocast, step
from sivae_translate.training.optimizers import Optimizers, moving_average
from sivae_translate.training.processes import new_accelerator, own_run
from sivae_translate.training.recompute import Recomputed
from sivae_translate.types import Batch, Objective

SECONDS = 1.5  # of timed steps in each stage
MANY = 16 * 64 * 64  # pixels of a batch; of a larger one on a CPU, two small batches are measured instead
FEW = (4, 8)  # their rows
START, END = 0.0, 0.99  # of the budget
KEPT = 8  # copies of the weights' bytes beyond those of a step: two snapshots of weights, average and two moments


@dataclass(frozen=True)
class Estimate:
    """The estimate for a complete recipe.

    Attributes:
        minutes: of training.
        images: seen in that time.
        images_per_s: the mean over the stages.
        bytes: memory at the peak, of the device for a GPU and else of the process; None where unknown.
    """

    minutes: float
    images: int
    images_per_s: float
    bytes: int | None


class Steps:
    """Training steps of a complete recipe on random images.

    Args:
        domains: number of domains.
    """

    def __init__(self, recipe: Recipe, objective: Objective, domains: int, device: str) -> None:
        settings = recipe.training
        self.recipe, self.objective, self.device = recipe, objective, torch.device(device)
        self.accelerator = new_accelerator(device, settings.precision)
        names = tuple(f"domain {label}" for label in range(domains))
        self.model = build_model(recipe.model, names, recipe.data.size)
        self.model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizers = Optimizers(
            self.model, self.accelerator, lr=settings.lr, betas=settings.betas, clip=settings.clip
        )
        self.ema = moving_average(self.model, settings.ema)
        networks: list[Any] = [self.model, self.ema.module]
        recompute = settings.recompute or settings.accumulate > 1
        self.network, self.averaged = [Recomputed(each) if recompute else each for each in networks]
        self.generator = torch.Generator(self.device).manual_seed(0)

    def __call__(self, rows: int, progress: float) -> float:
        """Seconds of one step on a batch of `rows`."""
        data, side = self.recipe.data, self.recipe.data.size
        images = torch.rand(rows, 3, side, side, device=self.device).contiguous(memory_format=torch.channels_last)
        batch = Batch(images, torch.arange(rows, device=self.device) // 2 % len(self.model.domains))
        started = self._now()
        batch = augment_batch(
            batch, progress, self.generator, domain_aug=data.domain_aug, encoder_warp=data.encoder_warp
        )
        phases = self.objective.play(self.network, batch, progress, self.generator, self.averaged)
        step([autocast(phases, self.accelerator)], self.optimizers)
        self.ema.update_parameters(self.model)
        return self._now() - started

    def mean_seconds(self, rows: int) -> float:
        """The mean over the budget of the time of a step on `rows`."""
        vae: float = self.recipe.objective.get("vae_fraction", 0.0)
        parts = [(vae, START), (1 - vae, END)]
        return sum(part * self.seconds(rows, progress) for part, progress in parts if part)

    def seconds(self, rows: int, progress: float) -> float:
        """The median time of steps in about `SECONDS`, after one that is not counted."""
        self(rows, progress)
        taken = [self(rows, progress)]
        while sum(taken) < SECONDS:
            taken.append(self(rows, progress))
        return sorted(taken)[len(taken) // 2]

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


@own_run()
def estimate(recipe: Recipe, objective: Objective, domains: int, images: int, device: str) -> Estimate:
    """Train for some seconds, and extrapolate to the budget of the recipe.

    The steps at the start of the budget and at its end are timed, which are those of the plain VAE and of adversarial
    training. On a CPU, time and memory of a batch of many pixels are extrapolated from two smaller ones. Reading images
    that do not fit in memory is not counted, nor is the time for saving and sample grids.

    Args:
        recipe: complete; see `autoconfig.resolve`.
        domains, images: their numbers in the training set.
    """
    steps, rows = Steps(recipe, objective, domains, device), recipe.data.batch // recipe.training.accumulate
    small = device == "cpu" and rows * recipe.data.size**2 > MANY and rows > FEW[-1]
    times, peaks = list[float](), list[float]()
    for few in FEW if small else (rows,):
        times.append(steps.mean_seconds(few))
        peaks.append(peak_memory_of(device))
    speed = rows / max(times[-1], extrapolated(times, rows))
    memory = extrapolated(peaks, rows) + KEPT * weight_bytes(steps.model)
    if device == "cpu":
        memory += images * 3 * recipe.data.size**2
    budget = recipe.training
    seconds = [60 * budget.minutes] if budget.minutes else []
    seconds += [budget.images / speed] if budget.images else []
    return Estimate(min(seconds) / 60, round(min(seconds) * speed), speed, int(memory) if peaks[-1] else None)


def extrapolated(values: list[float], rows: int) -> float:
    """The value at a number of rows, on the line through those of batches of `FEW` rows; a single value as it is."""
    if len(values) == 1:
        return values[0]
    return values[1] + (values[1] - values[0]) * (rows - FEW[1]) / (FEW[1] - FEW[0])


def weight_bytes(model: torch.nn.Module) -> int:
    return sum(weight.numel() * weight.element_size() for weight in model.parameters())


def peak_memory_of(device: str) -> int:
    """The largest memory so far of the device, for a GPU, and else of this process; 0 where the system does not say."""
    return torch.cuda.max_memory_reserved(device) if device.startswith("cuda") else peak_bytes()


def estimate_line(recipe: Recipe, found: Estimate, device: str) -> str:
    """An estimate as a line of text."""
    length = f"{found.minutes:.0f} minutes" if found.minutes >= 1.5 else f"{60 * found.minutes:.0f} seconds"
    memory = f", {found.bytes / 1e9:.1f} GB of memory" if found.bytes else ""
    data = recipe.data
    return (
        f"training ({data.size} px, batch {data.batch}, {recipe.training.precision}, {device}) would take about "
        f"{length} for {found.images:,} images, at {found.images_per_s:,.0f} images/s{memory}"
    )
