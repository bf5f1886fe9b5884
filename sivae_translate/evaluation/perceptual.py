"""How different two images look to a network: their feature maps, compared place by place.

LPIPS (Zhang et al. 2018, arXiv:1801.03924) weighs the maps of a trained network by what people find alike; the weights
of its AlexNet are the user's to fetch. Without them a distance in its spirit serves, in maps that nobody trained. The
two do not compare, and the second never bears the name of the first.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.models import alexnet

from sivae_translate.data.domains import shown
from sivae_translate.errors import UsageError
from sivae_translate.evaluation.extractors import RandomVGG16, read_published
from sivae_translate.extras import require

ALEXNET_URL = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
ALEXNET_SHA256 = "7be5be79"  # as far as its name tells
LPIPS_SIDE = 32  # pixels; of smaller images AlexNet's third level has nothing left
PIXELS = 2**18  # compared at a time, 64 images of 64 x 64
EPSILON = 1e-10  # LPIPS's own, where all channels are 0


class Perceptual(ABC):
    """A distance between images of one size, 0 for equal ones.

    Attributes:
        name: as people read it.
        measure: as reports name it.
        device: where it computes.
    """

    name: str
    measure: str
    device: torch.device

    @abstractmethod
    def maps(self, x: Tensor) -> list[Tensor]:
        """What is compared of images, uint8 `[B, 3, H, W]` -> some `[B, ...]`, float32."""

    @abstractmethod
    def compare(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        """Maps of B images each -> distances `[B]`."""

    @torch.no_grad()
    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """The distance of each image to its partner, uint8 `[B, 3, H, W]` both -> float64 `[B]` on the CPU."""
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
    """Between the maps of the random VGG-16, a channel vector of length 1 at each pixel: the squared difference, summed
    over channels, averaged over pixels, summed over levels.

    On the cars at 32 and 64 pixels it puts an image's blur of 0.5 and 1 pixels nearer to it than another car in the
    same pose, each time, and a blur of 2 pixels in 98 % of 60 images.
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
    """LPIPS v0.1 on AlexNet: torchmetrics' network and linear heads, AlexNet's weights from a file."""

    name, measure = "LPIPS", "lpips"

    def __init__(self, weights: dict[str, Tensor], device: torch.device) -> None:
        """Raises RuntimeError for weights that are not AlexNet's."""
        lpips: Any = require("torchmetrics.functional.image.lpips", "evaluation")
        with torch.random.fork_rng(devices=[]):  # it draws weights before it takes these
            self.net = lpips._NoTrainLpips(net="alex", pnet_rand=True)  # or it would download some
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


def load_perceptual(lpips: Path | None, size: int, device: torch.device) -> Perceptual:
    """LPIPS with AlexNet's weights in this file, or where there is none, the distance that needs none.

    Raises:
        UsageError: it is not the published file, images of `size` pixels are too small for LPIPS, or a package of the
            extra `evaluation` is not installed.
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


def stack(images: Sequence[np.ndarray]) -> Tensor:
    """uint8 images `[H, W, 3]`, all of one size -> `[B, 3, H, W]`."""
    return torch.from_numpy(np.stack(list(images))).permute(0, 3, 1, 2)


def chunks(x: Tensor) -> list[Tensor]:
    """Images `[B, 3, H, W]`, as many at a time as are compared."""
    return [x[start : start + at_a_time(x)] for start in range(0, len(x), at_a_time(x))]


def at_a_time(x: Tensor) -> int:
    """How many images `[B, 3, H, W]` are compared at a time."""
    return max(1, PIXELS // (x.shape[2] * x.shape[3]))
