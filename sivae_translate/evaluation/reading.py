"""One image file as the evaluation reads it: fitted to the translator's frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sivae_translate.data.images import UnreadableImage
from sivae_translate.data.reader import read_in_frame
from sivae_translate.errors import SivaeError, shown
from sivae_translate.inference.translator import Translator


def read_one(translator: Translator, path: Path) -> np.ndarray:
    """One image file in the translator's frame, uint8 `[size, size, 3]`. Raises SivaeError if it cannot be read."""
    try:
        return read_in_frame(path, translator.frame)
    except UnreadableImage as error:
        raise SivaeError(f"cannot read {shown(path)}: {error}: expected an image file") from None
