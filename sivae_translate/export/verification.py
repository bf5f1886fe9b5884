"""The check of an exported graph: its outputs beside those of PyTorch, on random and on real images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from sivae_translate.datasets.car_design import design
from sivae_translate.datasets.car_rendering import render
from sivae_translate.export.formats import Run
from sivae_translate.export.graphs import Graph
from sivae_translate.inference.passes import BATCH

LIMIT = 1e-3  # a quarter of a level of 8 bits; float32 in another order of sums differs by about 1e-5
RANDOM = (1, 5)  # rows of the batches of random images
CARS = 8


def built_in_cars(size: int) -> list[np.ndarray]:
    """Images of the built-in cars, uint8 `[size, size, 3]`."""
    return [render(design(0, number), 5 * number, number % 4, size) for number in range(CARS)]


def batches_of(images: Tensor, seed: int = 0) -> list[Tensor]:
    """Random images, uniform in [0, 1], in batches of several sizes, and then `images`, `[N, 3, H, W]`."""
    generator = torch.Generator().manual_seed(seed)
    noise = [torch.rand(rows, *images.shape[1:], generator=generator) for rows in RANDOM]
    return [*noise, *torch.split(images, BATCH)]


@torch.no_grad()
def inputs_of(graphs: dict[str, Graph], batch: Tensor) -> dict[str, tuple[Tensor, ...]]:
    """The inputs of every graph for images `[B, 3, H, W]`: each image with the style of the next one."""
    content, *style = graphs["encoder"].module(batch)
    styles = [each.roll(1, 0) for each in style]
    return {"encoder": (batch,), "decoder": (content, *styles), "translation": (batch, *styles)}


@torch.no_grad()
def largest_difference(graph: Graph, run: Run, inputs: Sequence[Sequence[Tensor]]) -> float:
    """The largest absolute difference between the outputs of PyTorch and of `run`; infinity for NaN or other shapes."""
    return max(difference for each in inputs for difference in differences(graph.module(*each), run(each)))


def differences(expected: Sequence[Tensor], found: Sequence[Tensor]) -> Iterator[float]:
    """The largest absolute difference of each output."""
    for a, b in zip(expected, found, strict=True):
        worst = float((a - b).abs().max()) if a.shape == b.shape else math.inf
        yield math.inf if math.isnan(worst) else worst
