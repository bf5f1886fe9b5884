"""The transparency of an image file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sivae_translate.data.colour import alpha_of
from sivae_translate.data.decoding import decoding, decoding_bytes
from sivae_translate.data.depth import grey_of
from sivae_translate.data.images import bands, open_image
from sivae_translate.data.orientation import upright
from sivae_translate.data.unreadable import only_unreadable


def read_alpha(path: Path, *, white: float | None = None) -> np.ndarray | None:
    """The alpha channel of an image file, uint8 `[H, W]`, upright; None for an image without transparency.

    Args:
        path: the file.
        white: as in `images.Frame`.

    Raises:
        UnreadableImage: as `images.read_image`.
    """
    image = open_image(path)
    if not image.has_transparency_data:
        return None
    with only_unreadable(), decoding.part(decoding_bytes(image)):
        image.load()
        grey = grey_of(image, white)
        parts = [np.asarray(alpha_of(grey.levels(band) if grey else band)) for band in bands(image)]
        return upright(np.concatenate(parts)[:, :, None], image)[:, :, 0]
