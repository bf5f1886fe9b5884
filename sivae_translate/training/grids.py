"""Sample grids during training: reconstructions, translations and samples of fixed images and noise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image

from sivae_translate.models.mixing import mixing_grid
from sivae_translate.pictures import contact_sheet, to_pictures
from sivae_translate.types import Batch, Model

COLUMNS = 8
KINDS = {
    "translations": "Translations: the content of the left column in the style of the top row",
    "reconstructions": "Images, and beneath them their reconstructions",
    "samples": "Samples from the prior, of a domain per column",
}
"""What a grid shows, by its kind."""


class Grids:
    """Sample grids of a fixed batch and fixed noise, so that the grids of a run can be compared.

    Args:
        batch: the images to show, `COLUMNS` pairs.
        folder: for the files `<images>-<kind>.png`.
        seed: of the noise of the samples.
    """

    def __init__(self, batch: Batch, folder: Path, seed: int) -> None:
        firsts = slice(0, 2 * COLUMNS, 2)  # one image of each pair, for many domains
        self.x, self.domains = batch.images[firsts], batch.domains[firsts]
        self.folder, self.seed = folder, seed

    @torch.no_grad()
    def write(self, model: Model, images: int) -> dict[str, Image.Image]:
        """Write every kind of grid, to files named after the number of training images seen so far, `images`.

        Returns:
            The grids by kind.
        """
        self.folder.mkdir(exist_ok=True)
        grids = dict(self.draw(model))
        for kind, picture in grids.items():
            picture.save(self.folder / f"{images:09d}-{kind}.png")
        return grids

    def draw(self, model: Model) -> Iterator[tuple[str, Image.Image]]:
        """(kind, grid) of reconstructions, of translations where the model has a style, and of samples."""
        x, n = self.x, len(self.x)
        code = model.encode(x).mean
        yield "reconstructions", contact_sheet(to_pictures(torch.cat([x, model.decode(code)])), n)
        if code.style is not None:
            yield "translations", contact_sheet(to_pictures(mixing_grid(model, x, x)), n + 1)
        generator = torch.Generator(x.device).manual_seed(self.seed)
        prior = model.prior(self.domains.repeat(4))
        samples = prior.draw(lambda shape: torch.randn(shape, generator=generator, device=x.device))
        yield "samples", contact_sheet(to_pictures(model.decode(samples)), n)


def saved_grids(folder: Path, images: int) -> list[tuple[int, dict[str, Path]]]:
    """The grids that a run has written, from the first to the last: (images seen, files by the text of their kind).

    Args:
        images: seen so far. A run that went back may have left grids of more.
    """
    found: dict[int, dict[str, Path]] = {}
    for kind, text in KINDS.items():
        for path in sorted(folder.glob(f"*-{kind}.png")):
            seen = path.name.partition("-")[0]
            if re.fullmatch("[0-9]{9,12}", seen) and int(seen) <= images:
                found.setdefault(int(seen), {})[text] = path
    return sorted(found.items())
