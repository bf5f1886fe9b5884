"""The picture of a run in the plane."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sivae_translate.extras import require
from sivae_translate.toy.datasets import Dataset
from sivae_translate.toy.metrics import GRID, SAMPLES, grid, log_density
from sivae_translate.types import Model

SIDE = 4  # inches of a panel


def draw(file: Path, model: Model, dataset: Dataset, points: Tensor, course: list[dict[str, float]]) -> None:
    """Draw the data, the model's points `[n, 2]`, the density by the ELBO and, if not empty, `course`, side by side.

    Raises:
        UsageError: matplotlib is not installed.
    """
    panels = 4 if course else 3
    figure = require("matplotlib.figure", "plots").Figure(figsize=(panels * SIDE, SIDE), layout="constrained")
    axes = figure.subplots(1, panels)
    data = dataset.sample(SAMPLES, torch.Generator().manual_seed(0))
    for panel, shown, title in zip(axes, (data, points), ("data", "samples"), strict=False):
        panel.scatter(*shown.T.numpy(), s=2, linewidths=0)
        panel.set_title(title)
    reach = dataset.reach
    density = log_density(model, grid(reach), reach).exp().view(GRID, GRID)
    axes[2].imshow(density.T.numpy(), origin="lower", extent=(-reach, reach, -reach, reach))
    axes[2].set_title("density by the ELBO")
    for panel in axes[:3]:
        panel.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=[], yticks=[])
    if course:
        draw_course(axes[3], course)
    figure.savefig(file, dpi=100)


def draw_course(panel: Any, course: list[dict[str, float]]) -> None:
    steps, kl, entropy = ([point[name] for point in course] for name in ("step", "kl", "entropy"))
    panel.plot(steps, kl, label="KL(data || model)")
    panel.plot(steps, entropy, label="H(model)")
    panel.plot(steps, [sum(both) for both in zip(kl, entropy, strict=True)], "k", label="their sum")
    panel.axhline(course[0]["data_entropy"], color="grey", linestyle=":", label="H(data)")
    panel.set(xlabel="steps", ylabel="nats")
    panel.legend()
