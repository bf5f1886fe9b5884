"""Decide which value is white in the float and 32-bit images of a data set, once for all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sivae_translate.data.decoding import decoding, decoding_bytes
from sivae_translate.data.depth import TOLERANCE, grey_of, needs_white, smallest_white
from sivae_translate.data.domains import Source
from sivae_translate.data.images import bands, may_need_white, open_image
from sivae_translate.data.listing import IMAGE_SUFFIXES
from sivae_translate.data.reader import read_each
from sivae_translate.data.survey import MOST_IMAGES

NEVER_TIFF = {*IMAGE_SUFFIXES} - {".tif", ".tiff"}


def white_of(sources: Sequence[Source]) -> float | None:
    """The smallest full scale, 1, 255, 65535 or 2^32 - 1, that holds the values of every float and 32-bit image.

    Images with negative values or values that are not finite do not count, as reading leaves them out. Only the first
    bytes of most files are read, and only float and 32-bit images are decoded. In a set that is not small, files named
    like images of other formats than TIFF are not opened.

    Returns:
        None where there is no such image.
    """
    candidates = [source for source in sources if source.view is None]
    if len(candidates) > MOST_IMAGES:
        candidates = [source for source in candidates if source.path.suffix.lower() not in NEVER_TIFF]
    found = [each for each in read_each(largest_value, candidates) if isinstance(each, float)]
    return smallest_white(max(found)) if found else None


def largest_value(source: Source) -> float | None:
    """The largest value of a float or 32-bit image; None for other images, and for values that cannot be scaled.

    Raises:
        UnreadableImage: the file cannot be decoded.
    """
    if not may_need_white(source.path):
        return None
    image = open_image(source.path)
    if not needs_white(image):
        return None
    grey = grey_of(image, None)
    assert grey is not None
    with decoding.part(decoding_bytes(image)):
        ends = [(float(values.min()), float(values.max())) for values in map(grey.values, bands(image))]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    scalable = np.isfinite(ends).all() and low >= -TOLERANCE * high and smallest_white(high)
    return high if scalable else None
