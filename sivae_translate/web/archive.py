"""Translate many uploaded files into one zip file."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from sivae_translate.data.listing import LeftOut
from sivae_translate.errors import UsageError, shown
from sivae_translate.inference.files import read
from sivae_translate.inference.passes import BATCH
from sivae_translate.inference.plan import SAVE_OPTIONS, folded, output_of
from sivae_translate.inference.threshold import Threshold
from sivae_translate.inference.translator import Translator
from sivae_translate.pictures import picture_bytes
from sivae_translate.progress import Progress
from sivae_translate.web.translation import Style, doubt, restyled, targets_of

MAX_FILES = 500
FORMAT = "png"


@dataclass(frozen=True)
class Summary:
    """The account of a zip file.

    Attributes:
        written: number of translations.
        left_out: "name: reason" of the files that could not be read.
        doubtful: "name: reason" of the translated pictures that are out of distribution.
    """

    written: int
    left_out: list[str]
    doubtful: list[str]


def translate_files(
    translator: Translator,
    threshold: Threshold | None,
    paths: Sequence[Path],
    style: Style,
    out: Path,
    progress: Progress | None = None,
) -> Summary:
    """Translate files and write a zip of PNGs, named as by `run`: photo.jpg becomes photo.jpg.png.

    Args:
        threshold: below its bound a picture is doubtful; None for no check.
        out: the zip file to write.
        progress: called for each file.

    Raises:
        UsageError: no file, more than `MAX_FILES`, or none that can be read; or see `targets_of`.
    """
    if not 0 < len(paths) <= MAX_FILES:
        raise UsageError(f"{len(paths):,} files: expected 1 to {MAX_FILES}")
    targets, names = targets_of(translator, style), distinct(paths)
    left_out, doubtful, written = list[LeftOut](), list[str](), 0
    with zipfile.ZipFile(out, "w") as archive:
        for rows, x in readable(translator, paths, left_out, max(1, BATCH // len(targets)), progress):
            reasons = doubt(translator, threshold, x)
            doubtful += [f"{shown(paths[r].name)}: {why}" for r, why in zip(rows, reasons, strict=True) if why]
            for row, images in zip(rows, restyled(translator, x, targets, style.strength), strict=True):
                for target, picture in zip(targets, translator.to_pictures(images), strict=True):
                    archive.writestr(
                        str(Path(target.folder) / names[row]), picture_bytes(picture, FORMAT, **SAVE_OPTIONS[FORMAT])
                    )
                    written += 1
    return Summary(written, [f"{shown(each.path.name)}: {each.reason}" for each in left_out], doubtful)


def readable(
    translator: Translator, paths: Sequence[Path], left_out: list[LeftOut], batch: int, progress: Progress | None
) -> Iterator[tuple[list[int], Tensor]]:
    """As `read`, with an error that names the upload and not its path on the server."""
    try:
        yield from read(translator, paths, left_out, batch, progress)
    except UsageError:
        last = left_out[-1]
        raise UsageError(f"no file can be read, such as {shown(last.path.name)}: {last.reason}") from None


def distinct(paths: Sequence[Path]) -> list[str]:
    """An output name for each file, all different even without regard to case: a.png, a-2.png."""
    taken, names = set[str](), list[str]()
    for path in paths:
        first = name = output_of(Path(path.name), FORMAT)
        number = 2
        while folded(name) in taken:
            name, number = first.with_stem(f"{first.stem}-{number}"), number + 1
        taken.add(folded(name))
        names.append(name.name)
    return names
