"""A prior over pictures, learned by likelihood alone: Gaussians of each scale's details, given the coarser picture."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sivae_translate.models.encoder import BASE, within_bounds
from sivae_translate.models.layers import FiLM, ResidualBlock, activation
from sivae_translate.types import Flow, Randn, at_least_float32

BLOCKS = 3  # residual blocks per scale
DOMAIN = 16  # dimensions of a domain's embedding
CONTRAST = 3.0  # pixels around 0 then have a deviation of about 1
FIRST = 0.1  # scale of a prediction's last convolution at first
DEVIATION = 0.1  # of details at first
LEAST = 0.02  # added to the variance of details as a square; even areas would have scores of any size


class Pyramid(nn.Module):
    """p(x | d) for pictures x around 0 of a domain d, as a Haar pyramid.

    A picture is its average over blocks, down to 4 x 4 pixels, and the details that double the resolution again. At
    each scale a network predicts mean m and deviation of the details from the coarser picture x_< and the domain:

        details ~ N(m(x_<, d), v(x_<, d)),    score = (details - m) / sqrt(v)

    Scales are numbered from the coarsest. The 4 x 4 pixels have a mean colour per domain, and one deviation for all
    domains. Pyramids of conditional flows are Wavelet Flow (Yu et al. 2020, arXiv:2010.13821); these are affine in
    every value.

    Args:
        domains: D, their number.
        size: side of the pictures in pixels.
        width: channels of the networks.
    """

    def __init__(self, domains: int, size: int, width: int) -> None:
        super().__init__()
        self.domains = nn.Parameter(torch.randn(domains, DOMAIN))
        self.colours = nn.Parameter(torch.zeros(domains, 3))
        self.log_deviation = nn.Parameter(torch.full((3,), math.log(1 / CONTRAST)))
        self.scales = nn.ModuleList(Details(width) for _ in range((size // BASE).bit_length() - 1))

    def of(self, domains: Tensor) -> PyramidPrior:
        """p(x | d) for labels int64 `[B]`; -1, no known domain, is the average of all domains' embeddings."""
        embeddings, colours = (
            torch.where((domains >= 0)[:, None], table[domains.clamp(min=0)], table.mean(0))
            for table in (self.domains, self.colours)
        )
        return PyramidPrior(self, embeddings, at_least_float32(colours)[:, :, None, None])

    def add(self) -> None:
        """One domain more, the average of all."""
        for name in ("domains", "colours"):
            table: nn.Parameter = getattr(self, name)
            setattr(self, name, nn.Parameter(torch.cat([table, table.mean(0, keepdim=True)]).detach(), False))


@dataclass(frozen=True)
class PyramidPrior(Flow):
    """p(x | d) of a `Pyramid` for a batch.

    Attributes:
        domains: embeddings, `[B, DOMAIN]`.
        colours: mean colours, `[B, 3, 1, 1]`.
    """

    pyramid: Pyramid
    domains: Tensor
    colours: Tensor

    def transport(self, content: Tensor, to: Flow, spread: Tensor) -> Tensor:
        """Pictures of another domain whose details have the same scores, times `spread`; see `Flow.transport`."""
        assert isinstance(to, PyramidPrior)
        first, *details = self._scored(content)
        return to.contents([first[0], *(spread * score for score, _ in details)])

    def contents(self, scores: list[Tensor]) -> Tensor:
        """Scores of the 4 x 4 colours, `[B, 3, 4, 4]`, and of the details, `[B, 9, r, r]` from coarse to fine, ->
        pictures `[B, 3, H, W]`."""
        first, *details = scores
        x = self.colours + first * self._deviation().exp()
        for scale, score in zip(self.pyramid.scales, details, strict=True):
            mean, log_deviation = scale(x, self.domains)
            x = join(x, mean + log_deviation.exp() * score)
        return rgb(x)

    def log_density(self, content: Tensor, variance: float | Tensor = 0.0) -> Tensor:
        """log p(x | d), `[B]`, nats; see `Flow.log_density`."""
        first, *scored = self._scored(content)
        levels = len(scored)
        parts = [(first, levels), *((part, levels - 1 - i) for i, part in enumerate(scored))]
        total = torch.zeros(len(content), device=content.device)
        for (score, log_deviation), level in parts:
            noise = variance / 4**level * torch.exp(-2 * log_deviation)  # of averages over 4^level pixels
            total = total - (0.5 * (score.square() + noise) + log_deviation).flatten(1).sum(1)
        values = content[0].numel()
        averages = sum(values // 4 ** (level + 1) for level in range(levels))  # each shrinks volumes by a half
        constant = 0.5 * values * math.log(2 * math.pi) + averages * math.log(2)
        density: Tensor = total - constant
        return density

    def draw(self, randn: Randn) -> Tensor:
        """Pictures; see `Gaussian.draw`."""
        rows, levels = len(self.domains), len(self.pyramid.scales)
        details = [torch.Size((rows, 9, BASE << level, BASE << level)) for level in range(levels)]
        return self.contents([randn(torch.Size((rows, 3, BASE, BASE))), *map(randn, details)])

    def detach(self) -> PyramidPrior:
        """The same density with weights that have no gradient."""
        frozen = copy.deepcopy(self.pyramid).requires_grad_(False)
        return PyramidPrior(frozen, self.domains.detach(), self.colours.detach())

    def __getitem__(self, rows: Tensor | slice) -> PyramidPrior:
        return PyramidPrior(self.pyramid, self.domains[rows], self.colours[rows])

    def _deviation(self) -> Tensor:
        return at_least_float32(self.pyramid.log_deviation)[:, None, None]

    def _scored(self, content: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Scores and log-deviations of the 4 x 4 colours and of each scale's details, coarse to fine."""
        x, scored = opponent(at_least_float32(content)), []
        for scale in reversed(self.pyramid.scales):
            x, details = split(x)
            mean, log_deviation = scale(x, self.domains)
            scored.append(((details - mean) * torch.exp(-log_deviation), log_deviation))
        base = self._deviation().expand_as(x)
        return [((x - self.colours) * torch.exp(-base), base), *reversed(scored)]


class Details(nn.Module):
    """Coarse pictures `[B, 3, r, r]` and domains -> mean and log-deviation of the details, `[B, 9, r, r]` each."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.enter = FiLM(width, DOMAIN)
        self.blocks = nn.ModuleList(ResidualBlock(width, width, lambda c: FiLM(c, DOMAIN)) for _ in range(BLOCKS))
        self.output = nn.Conv2d(width, 18, 3, padding=1)
        self.output.weight.data *= FIRST
        nn.init.zeros_(self.output.bias)  # type: ignore[arg-type]

    def forward(self, coarse: Tensor, domains: Tensor) -> tuple[Tensor, Tensor]:
        h = self.stem(CONTRAST * coarse).contiguous(memory_format=torch.channels_last)
        h = activation(self.enter(h, domains))
        for block in self.blocks:
            h = block(h, domains)
        mean, spread = at_least_float32(self.output(h)).chunk(2, 1)
        deviation = DEVIATION * torch.exp(within_bounds(spread))
        return DEVIATION * mean, 0.5 * torch.log(deviation.square() + LEAST**2)


def split(x: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures `[B, 3, 2 r, 2 r]` -> their averages over blocks `[B, 3, r, r]` and details `[B, 9, r, r]`.

    Details are the differences between a block's columns, its rows and its diagonals.
    """
    a, b, c, d = x[..., ::2, ::2], x[..., ::2, 1::2], x[..., 1::2, ::2], x[..., 1::2, 1::2]
    return (a + b + c + d) / 4, torch.cat([a - b + c - d, a + b - c - d, a - b - c + d], 1) / 2


def join(coarse: Tensor, details: Tensor) -> Tensor:
    """The inverse of `split`."""
    columns, rows, diagonals = (details / 2).chunk(3, 1)
    left, right = torch.stack([coarse + columns, coarse - columns]), torch.stack([rows + diagonals, rows - diagonals])
    a, b = left + right
    c, d = left - right
    return F.pixel_shuffle(torch.stack([a, b, c, d], 2).flatten(1, 2), 2)


def opponent(x: Tensor) -> Tensor:
    """RGB `[B, 3, H, W]` -> brightness, red against blue, and green against both, by an orthonormal map."""
    r, g, b = x.unbind(1)
    return torch.stack([(r + g + b) / 3**0.5, (r - b) / 2**0.5, (2 * g - r - b) / 6**0.5], 1)


def rgb(x: Tensor) -> Tensor:
    """The inverse of `opponent`."""
    brightness, red, green = x.unbind(1)
    grey, red, green = brightness / 3**0.5, red / 2**0.5, green / 6**0.5
    return torch.stack([grey + red - green, grey + 2 * green, grey - red - green], 1)
