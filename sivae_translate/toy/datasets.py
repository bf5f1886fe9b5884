"""Distributions of points in the plane, as samplers: the 2-D data sets of Daniel & Tamar 2021 (arXiv:2012.13253).

Sizes and noise are those of the paper's code. The 8 Gaussians are from Metz et al. 2017, the other shapes from
Grathwohl et al. 2019.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

RADIUS, SPREAD = 2 / math.sqrt(2), 0.02 / math.sqrt(2)  # of the 8 Gaussians, divided by sqrt 2 as in the paper


def uniform(n: int, generator: torch.Generator) -> Tensor:
    return torch.rand(n, generator=generator)


def normal(n: int, generator: torch.Generator) -> Tensor:
    return torch.randn(n, 2, generator=generator)


def polar(radius: Tensor | float, angle: Tensor) -> Tensor:
    """Radii and angles `[n]` -> points `[n, 2]`."""
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)


def eight_centres() -> Tensor:
    """The means of the 8 Gaussians, `[8, 2]`, evenly on a circle."""
    return polar(RADIUS, torch.arange(8) * math.pi / 4)


def eight_gaussians(n: int, generator: torch.Generator) -> Tensor:
    """1/8 sum_k N(c_k, SPREAD^2 I)."""
    return eight_centres()[torch.randint(8, (n,), generator=generator)] + SPREAD * normal(n, generator)


def eight_gaussians_log_density(x: Tensor) -> Tensor:
    """log p(x) of points `[n, 2]` -> `[n]`, in nats."""
    distances = (x[:, None] - eight_centres().to(x)).square().sum(2)  # [n, 8]
    return torch.logsumexp(-distances / (2 * SPREAD**2), dim=1) - math.log(8 * 2 * math.pi * SPREAD**2)


def spirals(n: int, generator: torch.Generator) -> Tensor:
    """Two arms of 540 degrees each, rotated by 180 degrees against each other, up to radius pi; noise 0.1."""
    angle = 3 * math.pi * uniform(n, generator).sqrt()
    arm = polar(angle, math.pi - angle) + 0.5 * torch.rand(n, 2, generator=generator)
    sign = 1 - 2 * torch.randint(2, (n, 1), generator=generator)
    return sign * arm / 3 + 0.1 * normal(n, generator)


def checkerboard(n: int, generator: torch.Generator) -> Tensor:
    """Uniform on alternate squares of side 2 in [-4, 4]^2."""
    x = 4 * uniform(n, generator) - 2
    y = uniform(n, generator) - 2 * torch.randint(2, (n,), generator=generator) + x.floor() % 2
    return 2 * torch.stack([x, y], dim=1)


def rings(n: int, generator: torch.Generator) -> Tensor:
    """Circles of radius 0.75, 1.5, 2.25 and 3, equally likely; noise 0.08."""
    radius = 0.75 * torch.randint(1, 5, (n,), generator=generator)
    return polar(radius, 2 * math.pi * uniform(n, generator)) + 0.08 * normal(n, generator)


@dataclass(frozen=True)
class Dataset:
    """A distribution p(x) in the plane.

    Attributes:
        sample: n and a generator -> n independent points, float32 `[n, 2]`.
        reach: half the side of the square [-reach, reach]^2 that contains the points.
        log_density: points `[n, 2]` -> log p(x) `[n]` in nats. None: no closed form.
    """

    sample: Callable[[int, torch.Generator], Tensor]
    reach: float
    log_density: Callable[[Tensor], Tensor] | None = None


DATASETS = {
    "8-gaussians": Dataset(eight_gaussians, 2.0, eight_gaussians_log_density),
    "spirals": Dataset(spirals, 4.0),
    "checkerboard": Dataset(checkerboard, 4.0),
    "rings": Dataset(rings, 4.0),
}
