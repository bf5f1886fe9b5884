"""A VGG-16 with random weights: features that compare images without weights to fetch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sivae_translate.errors import UsageError

LEVELS = (3, 8)  # in torchvision's VGG-16: the last ReLU before each of the first two poolings
WIDTH = 192  # channels of both
SEED = 4  # of 12 seeds tried, the most sensitive one to slight blur
ALIKE = 1e-6  # standard deviation that rounding may give to equal images; sets of photographs have about 0.1
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels, as VGG-16 takes its images


def first_levels() -> nn.Sequential:
    """The first two levels of torchvision's VGG-16, whose import would take longer than an evaluation of few images."""
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(inplace=True)),
        *(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(inplace=True)),
        nn.MaxPool2d(2),
        *(nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(inplace=True)),
        *(nn.Conv2d(128, 128, 3, padding=1), nn.ReLU(inplace=True)),
    )


class RandomVGG16(nn.Module):
    """The first two levels of a VGG-16 with random weights, each channel pooled over the image.

    The receptive field is 14 pixels: the features see texture, edges and colour, and hardly the arrangement of parts.
    On images of 64 pixels, KID in these features grows with the strength of a blur and stays below that of another
    data set, with every seed tried. In deeper levels a blur of 2 pixels scores worse than another data set.
    The weights are the same in every process. Torch's random state neither matters nor changes.

    Args:
        seed: of the weights.
        deviations: whether the channels' standard deviations follow their means. With them a linear classifier
            separates the emoji of two vendors at 64 pixels with 90 % accuracy, without them 87 % (570 images).
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, seed: int = SEED, *, deviations: bool = False) -> None:
        super().__init__()
        self.deviations = deviations
        with torch.random.fork_rng(devices=[]):  # the layers draw weights first
            self.layers = first_levels()
        generator = torch.Generator().manual_seed(seed)
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):  # "fan_in" keeps the features' scale from layer to layer
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("deviation", torch.tensor(DEVIATION)[:, None, None])
        self.eval().requires_grad_(False)

    def maps(self, x: Tensor) -> list[Tensor]:
        """uint8 `[B, 3, H, W]` -> `[B, 64, H, W]` and `[B, 128, H / 2, W / 2]`."""
        x, maps = (x / 255 - self.mean) / self.deviation, []
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i in LEVELS:
                maps.append(x)
        return maps

    def forward(self, x: Tensor) -> Tensor:
        """uint8 `[B, 3, H, W]` -> means `[B, 192]`, or means and deviations `[B, 384]`."""
        maps = self.maps(x)
        pooled = [level.mean((2, 3)) for level in maps]
        if self.deviations:
            pooled += [level.std((2, 3), correction=0) for level in maps]
        return torch.cat(pooled, 1)


def centred(features: Tensor, real: Tensor) -> Tensor:
    """Features `[m, F]`, less the mean of the real images' `[n, F]`, over twice their root mean square deviation.

    KID's kernel has its origin at 0, and random features are all positive: without centring, their common part
    dominates the kernel.

    Raises:
        UsageError: the real images are all alike.
    """
    mean = real.mean(0)
    spread = float((real - mean).square().mean().sqrt())
    if spread < ALIKE:
        raise UsageError("the real images are all alike: expected ones that differ")
    return (features - mean) / (2 * spread)
