"""Pictures of a model as it learns, always of the same images and the same noise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import to_pil_image
from torchvision.utils import make_grid

from sivae_translate.models.mixing import mixing_grid
from sivae_translate.types import Batch

COLUMNS = 8
SMALLEST = 64  # pixels; smaller images are enlarged for the eye


def draw_grid(rows: Tensor, columns: int) -> Image.Image:
    """Images `[N, 3, H, W]` in [0, 1], row by row, as one picture."""
    scale = max(1, SMALLEST // rows.shape[-1])
    rows = rows.float().clamp(0, 1).repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    picture: Image.Image = to_pil_image(make_grid(rows.cpu(), columns, padding=2, pad_value=0.6))
    return picture


class Grids:
    """Reconstructions, translations and samples of fixed images and noise.

    Args:
        batch: the images to show, at least COLUMNS pairs where there are that many.
        folder: where `<images>-<kind>.png` go.
    """

    def __init__(self, batch: Batch, folder: Path, seed: int) -> None:
        firsts = slice(0, 2 * COLUMNS, 2)  # one of each pair: as many domains as possible
        self.x, self.domains = batch.images[firsts], batch.domains[firsts]
        self.folder, self.seed = folder, seed

    @torch.no_grad()
    def write(self, model: Any, images: int) -> None:
        """Draw every kind; `images` seen so far goes into the names."""
        self.folder.mkdir(exist_ok=True)
        for kind, picture in self.draw(model):
            picture.save(self.folder / f"{images:09d}-{kind}.png")

    def draw(self, model: Any) -> Iterator[tuple[str, Image.Image]]:
        x, n = self.x, len(self.x)
        code = model.encode(x).mean
        yield "reconstructions", draw_grid(torch.cat([x, model.decode(code)]), n)
        if code.style is not None:
            yield "translations", draw_grid(mixing_grid(model, x, x), n + 1)
        generator = torch.Generator(x.device).manual_seed(self.seed)
        prior = model.prior(self.domains.repeat(4))
        samples = prior.draw(lambda shape: torch.randn(shape, generator=generator, device=x.device))
        yield "samples", draw_grid(model.decode(samples), n)
