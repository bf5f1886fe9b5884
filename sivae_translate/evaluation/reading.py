"""Image files as the evaluation reads them: fitted to the translator's frame, unreadable ones named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from sivae_translate.data.domains import Bad, Source, shown
from sivae_translate.data.images import UnreadableImage
from sivae_translate.data.reader import read_images, read_in_frame
from sivae_translate.errors import SivaeError
from sivae_translate.inference.translator import Translator
from sivae_translate.progress import Progress


def read_batches(
    translator: Translator,
    sources: Sequence[Source],
    bad: list[Bad],
    *,
    batch: int,
    progress: Progress | None = None,
) -> Iterator[tuple[list[int], Tensor]]:
    """Readable images in batches: their rows in `sources`, and the images `[B, 3, H, W]` in [0, 1].

    Files that cannot be read are appended to `bad`.
    """
    readable: dict[int, np.ndarray] = {}
    for row, image in enumerate(read_images(sources, translator.frame, progress=progress)):
        if isinstance(image, Bad):
            bad.append(image)
        else:
            readable[row] = image
        if len(readable) == batch:
            yield list(readable), translator.prepare(list(readable.values()))
            readable = {}
    if readable:
        yield list(readable), translator.prepare(list(readable.values()))


def read_one(translator: Translator, path: Path) -> np.ndarray:
    """One image file in the translator's frame, uint8 `[size, size, 3]`. Raises SivaeError if it cannot be read."""
    try:
        return read_in_frame(path, translator.frame)
    except UnreadableImage as error:
        raise SivaeError(f"cannot read {shown(path)}: {error}: expected an image file") from None


def nothing_readable(bad: Sequence[Bad]) -> str:
    """The message of an error where no file can be read."""
    return f"no image can be read, such as {shown(bad[-1].path)}: {bad[-1].reason}"
