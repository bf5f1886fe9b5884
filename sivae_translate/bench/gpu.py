"""The training step on a GPU, captured, with fused norms or compiled, beside the eager one and the paper's literal one.

It is no benchmark of the command `bench`, as it takes minutes and a GPU; `tests/gpu/measure.py` runs it.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from sivae_translate.bench.ratio import Ratio, in_turn
from sivae_translate.bench.step import BETAS, LR, Size, paper_step
from sivae_translate.models import MODELS
from sivae_translate.models.fused_norm import fuse_norms
from sivae_translate.objectives import OBJECTIVES
from sivae_translate.recipe import load_recipe
from sivae_translate.training.augment import augment_batch
from sivae_translate.training.captured import CapturedStep, StaticStep
from sivae_translate.training.constructors import arguments, build_objective, complete
from sivae_translate.training.loop import Terms, autocast
from sivae_translate.training.optimizers import Optimizers, moving_average
from sivae_translate.training.processes import new_accelerator
from sivae_translate.types import Batch, Objective

DECAY = 0.999
PEAK = 989e12  # dense bf16 operations per second of an H100 or H200 (SXM), by its data sheet
STEPS = 10  # between two looks at the clock
STAGES = {"VAE": 0.1, "adversarial": 0.95}  # progress within the stage, for the shipped recipes
SMALL_GOAL, LARGE_GOAL, PEAK_GOAL = 6.0, 4.0, 0.4


@dataclass(frozen=True)
class Variant:
    """How a step is computed."""

    capture: bool = False
    fused: bool = False
    compiled: bool = False
    precision: str = "bf16"

    def __str__(self) -> str:
        flags = [name for name in ("capture", "fused", "compiled") if getattr(self, name)]
        return " + ".join(flags or ["eager"]) + f", {self.precision}"


EAGER, CAPTURED = Variant(), Variant(capture=True)
FUSED, BOTH = Variant(fused=True), Variant(capture=True, fused=True)


class Trainer:
    """A model of random weights, and its step on one batch of noise.

    Args:
        augment: as in `train_loop`; None for no augmentation.
    """

    def __init__(
        self, model: Any, objective: Objective, batch: Batch, variant: Variant, augment: Any = None, clip: float = 0.0
    ) -> None:
        device = str(batch.images.device)
        self.model = model.to(device, memory_format=torch.channels_last)
        self.objective, self.batch, self.augment, self.variant = objective, batch, augment, variant
        if variant.fused and (reason := fuse_norms(model, device)):
            raise RuntimeError(reason)
        if variant.compiled:
            for part in (model.encoder["features"], model.decoder["image"]):
                part.compile()
        self.accelerator = new_accelerator(device, variant.precision)
        self.optimizers = Optimizers(model, self.accelerator, lr=LR, betas=BETAS, clip=clip)
        self.ema = moving_average(model, DECAY)
        self.generator = torch.Generator(device)
        self.captured = self.static_step() if variant.capture else None

    def static_step(self) -> StaticStep:
        """A captured step, or on a CPU one that could be."""
        parts = (self.model, self.objective, self.optimizers, self.ema, self.accelerator)
        return (CapturedStep if self.generator.device.type == "cuda" else StaticStep)(*parts, decay=DECAY)

    def step(self, progress: float = 1.0, seed: int | None = None, batch: Batch | None = None) -> Terms:
        """One step as `train_loop` does it."""
        if seed is not None:
            self.generator.manual_seed(seed)
        batch = batch or self.batch
        if self.augment is not None:
            batch = self.augment(batch, progress, self.generator)
        if self.captured is not None:
            return self.captured(batch, progress, self.generator)
        terms: Terms = {}
        phases = self.objective.play(self.model, batch, progress, self.generator, self.ema.module)  # type: ignore[arg-type]
        for phase in autocast(phases, self.accelerator):
            self.optimizers.step(phase)
            terms |= phase.terms
        self.ema.update_parameters(self.model)
        return terms

    def tensors(self) -> list[Tensor]:
        """Everything that a step changes."""
        moments = [value for adam in self.optimizers.adam.values() for s in adam.state.values() for value in s.values()]
        return [*self.model.state_dict().values(), *self.ema.module.state_dict().values(), *moments]


def conv_trainer(size: Size, device: str, variant: Variant) -> Trainer:
    """The paper's networks and weights."""
    batch = Batch(size.images(device).contiguous(memory_format=torch.channels_last), labels(size.batch, 1, device))
    return Trainer(size.model(device), OBJECTIVES["soft-introvae"](), batch, variant)


def recipe_trainer(name: str, pixels: int, rows: int, device: str, variant: Variant, *overrides: str) -> Trainer:
    """A shipped recipe with its augmentation, on 8 domains."""
    sizes = [f"data.size={pixels}", f"data.batch={rows}", "model.patch=2", *overrides]
    recipe = complete(load_recipe(name, sizes))
    torch.manual_seed(0)
    domains = tuple(map(str, range(8)))
    model = MODELS[recipe.model["name"]](domains=domains, size=pixels, **arguments(recipe.model))
    images = torch.rand(rows, 3, pixels, pixels, device=device).contiguous(memory_format=torch.channels_last)
    augment = partial(augment_batch, domain_aug=recipe.data.domain_aug, encoder_warp=recipe.data.encoder_warp)
    batch = Batch(images, labels(rows, len(domains), device))
    return Trainer(model, build_objective(recipe), batch, variant, augment, recipe.training.clip)


def labels(rows: int, domains: int, device: str) -> Tensor:
    return (torch.arange(rows, device=device) // 2) % domains


def ratios_to_literal(size: Size, variants: list[Variant], device: str, goal: float) -> Iterator[Ratio]:
    """How many times as fast as the literal float32 step each variant is; the last one's goal is `goal`."""
    for variant in variants:
        literal = paper_step(size, device)
        trainer = conv_trainer(size, device, variant)
        ours, reference = in_turn(repeated(trainer.step), repeated(literal), rounds=4, skipped=1)
        yield Ratio(
            "training step",
            ours / STEPS * 1e3,
            reference / STEPS * 1e3,
            "ms",
            "the literal fp32 step",
            reference / ours,
            goal if variant == variants[-1] else None,
            f"{size}, {variant}",
        )
        del trainer, literal
        release()


def recipe_ratios(name: str, pixels: int, rows: int, variants: list[Variant], device: str) -> Iterator[Ratio]:
    """Images per second of a recipe in each stage, beside the first variant's."""
    for stage, progress in STAGES.items():
        speeds = []
        for variant in variants:
            trainer = recipe_trainer(name, pixels, rows, device, variant)
            (taken,) = in_turn(repeated(partial(trainer.step, progress)), rounds=4, skipped=1)
            speeds.append(rows * STEPS / taken)
            yield Ratio(
                f"recipe {name}, {stage} stage",
                speeds[-1],
                speeds[0],
                "images/s",
                str(variants[0]),
                speeds[-1] / speeds[0],
                detail=f"{pixels} px, batch {rows}, {variant}",
            )
            del trainer
            release()


def peak_ratio(size: Size, variant: Variant, device: str) -> Iterator[Ratio]:
    """Operations per second of the convolutions and matrix products of a step, beside the data sheet's."""
    with FlopCounterMode(display=False) as counter:
        conv_trainer(size, device, replace(variant, capture=False, compiled=False)).step()
    release()
    trainer = conv_trainer(size, device, variant)
    (taken,) = in_turn(repeated(trainer.step), rounds=3, skipped=1)
    rate = counter.get_total_flops() * STEPS / taken
    yield Ratio(
        "bf16 arithmetic", rate / 1e12, PEAK / 1e12, "Tflop/s", "the peak", rate / PEAK, PEAK_GOAL, f"{size}, {variant}"
    )


def memory_ratio(size: Size, variants: list[Variant], device: str) -> Iterator[Ratio]:
    """Memory that an image of the batch adds, beside the first variant's."""
    taken = []
    for variant in variants:
        peaks = []
        for rows in (size.batch, 2 * size.batch):
            trainer = conv_trainer(replace(size, batch=rows), device, variant)
            trainer.step()
            torch.cuda.reset_peak_memory_stats(device)
            trainer.step()
            peaks.append(torch.cuda.max_memory_allocated(device))
            del trainer
            release()
        taken.append((peaks[1] - peaks[0]) / size.batch / 2**20)
        yield Ratio(
            "memory of a step",
            taken[-1],
            taken[0],
            "MiB an image",
            str(variants[0]),
            taken[0] / taken[-1],
            detail=f"{size}, {variant}",
        )


def repeated(step: Callable[[], object]) -> Callable[[], None]:
    """`STEPS` steps, so that the processor may run ahead of the device as in training."""

    def steps() -> None:
        for _ in range(STEPS):
            step()

    return steps


def release() -> None:
    """Return the memory of deleted models and graphs to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
