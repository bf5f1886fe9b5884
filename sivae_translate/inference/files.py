"""Image files for a translator, and results over folders: mean codes, directions, mixing grids, reconstructions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from sivae_translate.data.images import UnreadableImage
from sivae_translate.data.listing import LeftOut, evenly_spread
from sivae_translate.data.reader import Sources, read_images
from sivae_translate.errors import UsageError, shown
from sivae_translate.inference.codec import require_style
from sivae_translate.inference.direction import difference
from sivae_translate.inference.inputs import list_inputs
from sivae_translate.inference.inversion import eight_bit, invert
from sivae_translate.inference.passes import BATCH
from sivae_translate.inference.plan import plan
from sivae_translate.inference.prepare import prepare_one
from sivae_translate.inference.translator import Translator
from sivae_translate.models.mixing import mixing_grid
from sivae_translate.pictures import save_picture
from sivae_translate.progress import Progress
from sivae_translate.reports import require_writable
from sivae_translate.training.figures import psnr
from sivae_translate.types import Code


@dataclass(frozen=True)
class Reconstructed:
    """The quality of reconstructions, and the files without one.

    Attributes:
        before: PSNR in dB of the encoder's codes, one for each image.
        after: PSNR in dB after latent optimisation, at least that before.
        left_out: unreadable images, and files that are no images.
    """

    before: list[float]
    after: list[float]
    left_out: list[LeftOut]


def read(
    translator: Translator,
    sources: Sources,
    left_out: list[LeftOut],
    batch: int = BATCH,
    progress: Progress | None = None,
) -> Iterator[tuple[list[int], Tensor]]:
    """Batches of the readable images: (rows of `sources`, images `[B, 3, H, W]` in the translator's frame).

    Args:
        left_out: receives the unreadable files.
        batch: images in each batch but the last, at least 1.
        progress: called for each image read.

    Raises:
        UsageError: no image can be read, or a batch below 1.
    """
    if batch < 1:
        raise UsageError(f"batch was {batch}: expected 1 or more")
    images = enumerate(read_images(sources, translator.frame, progress=progress))
    found = False
    while chunk := list(islice(images, batch)):
        left_out += [image for _, image in chunk if isinstance(image, LeftOut)]
        readable = {row: image for row, image in chunk if not isinstance(image, LeftOut)}
        if readable:
            found = True
            yield list(readable), translator.prepare(list(readable.values()))
    if not found:
        raise UsageError(f"no image can be read, such as {shown(left_out[-1].path)}: {left_out[-1].reason}")


def images_of(source: str | Path, left_out: list[LeftOut]) -> list[Path]:
    """The images of a folder tree, sorted, or a single file; `left_out` receives its other files.

    Raises:
        UsageError: no image.
    """
    listing = list_inputs(Path(source))
    left_out += listing.left_out
    return listing.images


def read_one(translator: Translator, path: str | Path) -> Tensor:
    """An image file in the translator's frame, `[3, H, W]`. Raises UsageError where it cannot be read."""
    try:
        return translator.prepare(prepare_one(path, translator.frame))[0]
    except UnreadableImage as error:
        raise UsageError(f"cannot read {shown(path)} ({error}): expected an image") from None


def read_all(translator: Translator, source: str | Path, left_out: list[LeftOut], count: int | None = None) -> Tensor:
    """The images of a folder in memory, `[N, 3, H, W]`; every image is held at once.

    Args:
        left_out: receives the unreadable images, and the files that are no images.
        count: largest number of images, evenly spread over the sorted names; None for all.

    Raises:
        UsageError: no image can be read, or a count below 1.
    """
    if count is not None and count < 1:
        raise UsageError(f"count was {count}: expected 1 or more")
    paths = images_of(source, left_out)
    chosen = paths if count is None else evenly_spread(paths, count)
    return torch.cat([x for _, x in read(translator, chosen, left_out)])


def reference_style(
    translator: Translator, source: str | Path, left_out: list[LeftOut], *, inversion_steps: int = 0
) -> Tensor:
    """The mean style `[S]` of a reference image or of a folder of them; see `Translator.style_of`.

    Args:
        left_out: receives the unreadable images, and the files that are no images.

    Raises:
        UsageError: no image can be read.
    """
    total, count = torch.zeros(translator.model.style_size, dtype=torch.float64), 0
    for rows, x in read(translator, images_of(source, left_out), left_out):
        style = translator.style_of(style=x, inversion_steps=inversion_steps)
        total, count = total + len(rows) * style.cpu().double(), count + len(rows)
    return (total / count).float().to(translator.device)


def mean_code(
    translator: Translator,
    source: str | Path,
    left_out: list[LeftOut],
    *,
    batch: int = BATCH,
    progress: Progress | None = None,
) -> tuple[Code, int]:
    """The mean code `[1, ...]` of the images in a folder, and their number.

    Args:
        left_out: receives the unreadable images, and the files that are no images.

    Raises:
        UsageError: no image can be read.
    """
    sums, count = [], 0
    for rows, x in read(translator, images_of(source, left_out), left_out, batch, progress):
        sums.append(translator.encode(x).map(lambda t: t.cpu().double().sum(0, keepdim=True)))
        count += len(rows)
    return Code.cat(sums).map(lambda t: (t.sum(0, keepdim=True) / count).float()), count


def direction_between(
    translator: Translator,
    with_: str | Path,
    without: str | Path,
    left_out: list[LeftOut],
    *,
    batch: int = BATCH,
    progress: Progress | None = None,
) -> tuple[Code, int, int]:
    """The attribute direction of two folders, and their numbers of images; see `difference`.

    Args:
        with_: images that have the attribute.
        without: similar images that do not.
        left_out: receives the unreadable images, and the files that are no images.

    Raises:
        UsageError: no image of a folder can be read.
    """
    (a, n), (b, m) = (
        mean_code(translator, folder, left_out, batch=batch, progress=progress) for folder in (with_, without)
    )
    return difference(a, b), n, m


def mix_folders(
    translator: Translator, contents: str | Path, styles: str | Path, left_out: list[LeftOut], *, count: int
) -> tuple[Tensor, int, int]:
    """The mixing grid of two folders, and its numbers of contents and of styles; see `mixing_grid`.

    Args:
        left_out: receives the unreadable images, and the files that are no images.
        count: largest number of images of each folder.

    Raises:
        UsageError: no image of a folder can be read, a count below 1, or a model with a single latent.
    """
    require_style(translator.model)
    x, y = (read_all(translator, folder, left_out, count) for folder in (contents, styles))
    return mixing_grid(translator.model, x, y), len(x), len(y)


def reconstruct_folder(
    translator: Translator,
    source: str | Path,
    out: str | Path,
    *,
    inversion_steps: int,
    batch: int = BATCH,
    progress: Progress | None = None,
) -> Reconstructed:
    """Reconstruct an image or a folder tree into `out` as PNG, names kept as in `plan`; see `invert` for the steps.

    Raises:
        UsageError: no image can be read, or `out` cannot be written, or holds the inputs or a file with an output's
            name.
    """
    out = Path(out)
    with plan(Path(source), out, "png") as planned:
        taken = next((out / name for _, name in planned.outputs() if os.path.lexists(out / name)), None)
        if taken:
            raise UsageError(f"{shown(taken)} exists, and nothing is overwritten: choose another with --out")
        require_writable(out)  # before the work
        before, after, left_out = list[float](), list[float](), list(planned.left_out())
        outputs = enumerate(out / name for _, name in planned.outputs())
        for rows, x in read(translator, planned, left_out, batch, progress):
            encoded, optimised = (translator.decode(invert(translator.model, x, n)) for n in (0, inversion_steps))
            for row, picture in zip(rows, translator.to_pictures(optimised), strict=True):
                output = next(output for place, output in outputs if place == row)  # rows rise, with gaps
                output.parent.mkdir(parents=True, exist_ok=True)
                save_picture(picture, output)
            before += psnr(x, eight_bit(encoded)).tolist()
            after += psnr(x, eight_bit(optimised)).tolist()
    return Reconstructed(before, after, left_out)
