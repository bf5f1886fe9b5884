"""Perceptual distances between two images: their feature maps in a network, compared pixel by pixel.

LPIPS (Zhang et al. 2018, arXiv:1801.03924) weighs AlexNet's feature maps by human judgements. The user fetches the
weights of AlexNet. Without them the maps of a VGG-16 with random weights serve; that distance is not called LPIPS.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sivae_translate.errors import UsageError, shown
from sivae_translate.evaluation.extractors import read_published
from sivae_translate.extras import require
from sivae_translate.models.random_vgg16 import RandomVGG16

ALEXNET_URL = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
ALEXNET_SHA256 = "7be5be79"  # the digits that the file's name has
LPIPS_SIDE = 32  # pixels; of smaller images AlexNet's third level is empty
PIXELS = 2**18  # compared at a time, 64 images of 64 x 64
EPSILON = 1e-10  # as in LPIPS, where all channels are 0


class Perceptual(ABC):
    """A distance between images of one size, 0 for equal ones.

    Attributes:
        name: for people.
        measure: for reports, and in `Metric.needs`.
        device: of the network.
    """

    name: str
    measure: str
    device: torch.device

    @abstractmethod
    def maps(self, x: Tensor) -> list[Tensor]:
        """Feature maps of images, uint8 `[B, 3, H, W]` -> one `[B, ...]` per level, float32."""

    @abstractmethod
    def compare(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        """Maps of B images each -> distances `[B]`."""

    @torch.no_grad()
    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Distance of each image to its counterpart, uint8 `[B, 3, H, W]` both -> float64 `[B]` on the CPU."""
        a, b = a.to(self.device), b.to(self.device)
        parts = zip(chunks(a), chunks(b), strict=True)
        return torch.cat([self.compare(self.maps(x), self.maps(y)) for x, y in parts]).cpu().double()

    @torch.no_grad()
    def pairwise(self, x: Tensor) -> float:
        """The mean distance over all pairs of images, uint8 `[B, 3, H, W]`, B at least 2."""
        parts = [self.maps(part) for part in chunks(x.to(self.device))]
        maps = [torch.cat(level) for level in zip(*parts, strict=True)]
        first, second = torch.triu_indices(len(x), len(x), offset=1, device=self.device)
        step, found = at_a_time(x), list[Tensor]()
        for start in range(0, len(first), step):
            a, b = ([level[rows[start : start + step]] for level in maps] for rows in (first, second))
            found.append(self.compare(a, b))
        return float(torch.cat(found).double().mean())


class RandomPerceptual(Perceptual):
    """Squared difference of the random VGG-16's feature maps, normalised to unit length over channels at each pixel.

    As in LPIPS, the difference is summed over channels, averaged over pixels and summed over levels.
    On the built-in cars, an image blurred by 1 pixel is nearer to the original than another car in the same pose.
    """

    name, measure = "perceptual (random VGG-16)", "perceptual_random_vgg16"

    def __init__(self, device: torch.device) -> None:
        self.net, self.device = RandomVGG16().to(device), device

    def maps(self, x: Tensor) -> list[Tensor]:
        return [level / (level.square().sum(1, keepdim=True).sqrt() + EPSILON) for level in self.net.maps(x)]

    def compare(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        levels = [(x - y).square().sum(1).mean((1, 2)) for x, y in zip(a, b, strict=True)]
        return torch.stack(levels).sum(0)


class Lpips(Perceptual):
    """LPIPS v0.1 on AlexNet: torchmetrics' network and linear heads, with AlexNet's weights from a file."""

    name, measure = "LPIPS", "lpips"

    def __init__(self, weights: dict[str, Tensor], device: torch.device) -> None:
        """Raises RuntimeError for weights of another network."""
        lpips: Any = require("torchmetrics.functional.image.lpips", "evaluation")
        from torchvision.models import alexnet  # here, as it loads torch's compiler

        with torch.random.fork_rng(devices=[]):  # the constructor draws random weights first
            self.net = lpips._NoTrainLpips(net="alex", pnet_rand=True)  # without pnet_rand it would download weights
        with torch.device("meta"):
            layers = alexnet().features.to_empty(device="cpu")
        prefix = "features."
        layers.load_state_dict({k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)})
        for part in range(1, self.net.net.N_slices + 1):
            for index, layer in getattr(self.net.net, f"slice{part}").named_children():
                layer.load_state_dict(layers[int(index)].state_dict())
        self.net.to(device).eval().requires_grad_(False)
        self.device = device

    def maps(self, x: Tensor) -> list[Tensor]:
        return [x / 255]

    def compare(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        found: Tensor = self.net(a[0], b[0], normalize=True)
        return found.flatten()


def load_perceptual(lpips: str | Path | None, size: int, device: torch.device) -> Perceptual:
    """LPIPS with AlexNet's weights from this file, or for None the distance in the random VGG-16.

    Raises:
        UsageError: not the published file, images of `size` pixels are too small for LPIPS, or a package of the extra
            `evaluation` is not installed.
    """
    if lpips is None:
        return RandomPerceptual(device)
    if size < LPIPS_SIDE:
        raise UsageError(f"images of {size} px: expected {LPIPS_SIDE} px or more for LPIPS; leave out --lpips")
    weights = read_published(lpips, ALEXNET_SHA256, ALEXNET_URL)
    try:
        return Lpips(weights, device)
    except RuntimeError:
        raise UsageError(f"{shown(lpips)} holds no weights of AlexNet: expected your copy of {ALEXNET_URL}") from None


def stack(images: np.ndarray | Sequence[np.ndarray]) -> Tensor:
    """uint8 images `[H, W, 3]`, all of one size -> `[B, 3, H, W]`."""
    return torch.from_numpy(np.stack(list(images))).permute(0, 3, 1, 2)


def chunks(x: Tensor) -> list[Tensor]:
    """Images `[B, 3, H, W]` in parts of `at_a_time`."""
    return [x[start : start + at_a_time(x)] for start in range(0, len(x), at_a_time(x))]


def at_a_time(x: Tensor) -> int:
    """Images of this size, `[B, 3, H, W]`, that are compared at a time, so that memory is bounded."""
    return max(1, PIXELS // (x.shape[2] * x.shape[3]))
