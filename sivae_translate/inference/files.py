"""The latent tools on files: an image, some images of a folder, the mean code of a folder, a folder reconstructed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from sivae_translate.data.domains import Bad, evenly_spread, list_images, shown
from sivae_translate.data.images import UnreadableImage
from sivae_translate.errors import UsageError
from sivae_translate.inference.folder import plan, read_images
from sivae_translate.inference.inversion import best_code, eight_bit, psnr
from sivae_translate.inference.translator import Translator
from sivae_translate.pictures import save_picture
from sivae_translate.types import Code

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Reconstructed:
    """How near the pictures written came to their images, and the files that gave none.

    Attributes:
        before: PSNR in dB of the encoder's codes, one an image.
        after: PSNR in dB of the codes found from there, none lower.
    """

    before: list[float]
    after: list[float]
    bad: list[Bad]


def read_one(translator: Translator, path: Path) -> Tensor:
    """An image file in the translator's frame, `[3, H, W]`. Raises UsageError where it cannot be read."""
    try:
        return translator.prepare(path)[0]
    except UnreadableImage as error:
        raise UsageError(f"cannot read {shown(path)} ({error}): expected an image") from None


def read_some(translator: Translator, source: Path, count: int, bad: list[Bad]) -> Tensor:
    """At most `count` images of a folder, evenly spread over its sorted names, `[N, 3, H, W]`; unreadable ones go to
    `bad`.

    Raises:
        UsageError: none can be read, or a count below 1.
    """
    if count < 1:
        raise UsageError(f"count was {count}: expected 1 or more")
    chosen = evenly_spread(images_of(source), count)
    return torch.cat([x for _, x in read(translator, chosen, bad)])


def read_all(translator: Translator, source: Path, bad: list[Bad]) -> Tensor:
    """Every image of a folder, `[N, 3, H, W]`; unreadable ones go to `bad`. Raises UsageError where none can be read.

    All are in memory: meant for a handful.
    """
    return torch.cat([x for _, x in read(translator, images_of(source), bad)])


def mean_code(
    translator: Translator, source: Path, bad: list[Bad], *, batch: int = 32, progress: Progress | None = None
) -> tuple[Code, int]:
    """The mean over the images of a folder, `[1, ...]`, and their number; unreadable ones go to `bad`.

    Raises:
        UsageError: none can be read.
    """
    sums, count, paths = [], 0, images_of(source)
    for kept, x in read(translator, paths, bad, batch, progress):
        sums.append(translator.encode(x).map(lambda t: t.cpu().double().sum(0, keepdim=True)))
        count += len(kept)
    return Code.cat(sums).map(lambda t: (t.sum(0, keepdim=True) / count).float()), count


def reconstruct_folder(
    translator: Translator,
    source: Path,
    out: Path,
    *,
    steps: int,
    batch: int = 32,
    progress: Progress | None = None,
) -> Reconstructed:
    """Reconstruct an image or a folder tree into `out`, names kept, as PNG; see `search` for `steps`.

    Raises:
        UsageError: no image can be read, `out` is where they are, or holds such a name already; nothing has been
            written.
    """
    outputs = {path: out / output for path, output in plan(source, out, "png")}
    taken = next(filter(os.path.lexists, outputs.values()), None)
    if taken:
        raise UsageError(f"{shown(taken)} exists, and nothing is overwritten: choose another with --out")
    before, after, bad = list[float](), list[float](), list[Bad]()
    for kept, x in read(translator, list(outputs), bad, batch, progress):
        guessed, found = (translator.decode(best_code(translator.model, x, n)) for n in (0, steps))
        for path, picture in zip(kept, translator.to_pictures(found), strict=True):
            outputs[path].parent.mkdir(parents=True, exist_ok=True)
            save_picture(picture, outputs[path])
        before += psnr(x, eight_bit(guessed)).tolist()
        after += psnr(x, eight_bit(found)).tolist()
    return Reconstructed(before, after, bad)


def images_of(source: Path) -> list[Path]:
    """The images of a folder, or the one that was named. Raises UsageError where there is none."""
    paths = list_images(source)
    if not paths:
        raise UsageError(f"{shown(source)} holds no image: expected an image or a folder of images")
    return paths


def read(
    translator: Translator, paths: list[Path], bad: list[Bad], batch: int = 32, progress: Progress | None = None
) -> Iterator[tuple[list[Path], Tensor]]:
    """Images `[B, 3, H, W]` in the translator's frame with their paths, a batch at a time; unreadable ones go to
    `bad`.

    Raises:
        UsageError: none can be read.
    """
    found = 0
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(paths), batch):
            chosen = paths[start : start + batch]
            readable: dict[Path, Tensor] = {}
            for path, x in zip(chosen, read_images(translator, chosen, pool), strict=True):
                if isinstance(x, Tensor):
                    readable[path] = x
                else:
                    bad.append(Bad(path, x.reason))
            found += len(readable)
            if readable:
                yield list(readable), torch.cat(list(readable.values()))
            if progress:
                progress(start + len(chosen), len(paths))
    if not found:
        raise UsageError(f"no image can be read, such as {shown(bad[-1].path)}: {bad[-1].reason}")
