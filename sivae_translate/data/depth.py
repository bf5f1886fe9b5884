"""Grey deeper than 8 bits, scaled to 0..255: black is 0, white is fixed by the format or stated by the caller.

16-bit PNG and TIFF files say what is white. Files of 32-bit integers or floats do not, and the range of one image must
not decide, as then two images of one set are scaled differently.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, SAMPLEFORMAT

from sivae_translate.data.unreadable import UnreadableImage

WHITE_IS_ZERO, UNSIGNED = 0, 1  # values of the TIFF tags
WHITES = (1.0, 255.0, 65535.0, 4294967295.0)  # full scales of floats and of 8, 16 and 32-bit integers
TOLERANCE = 0.01  # of white; what lies closer outside the range, such as overshoot of a resize, is clipped


@dataclass(frozen=True)
class Grey:
    """How the values of an image become 8-bit grey.

    Attributes:
        white: the value that becomes 255. None: unknown.
        inverted: whether white is stored as 0 instead, and black as `white`.
        unsigned: whether 32-bit integers are unsigned, which Pillow reads as signed.
        transparent: the value of transparent pixels, if any.
    """

    white: float | None
    inverted: bool = False
    unsigned: bool = False
    transparent: int | None = None

    def levels(self, strip: Image.Image) -> Image.Image:
        """Pixels of this image as mode "L", or "LA" where a value is transparent.

        Raises:
            UnreadableImage: values that are not finite, or outside 0..white.
        """
        values = self.values(strip)
        if self.white is None:
            raise UnreadableImage(
                "32-bit integers, and no value is known to be white: convert the image to 8 or 16 bits, "
                "or train with --set data.white=65535, or what is white"
            )
        require_range(values, self.white)
        share = values.astype(np.float64) / self.white
        grey = np.rint(np.clip(1 - share if self.inverted else share, 0, 1) * 255).astype(np.uint8)
        if self.transparent is None:
            return Image.fromarray(grey)
        alpha = np.where(values == self.transparent, 0, 255).astype(np.uint8)
        return Image.merge("LA", (Image.fromarray(grey), Image.fromarray(alpha)))

    def values(self, strip: Image.Image) -> np.ndarray:
        """Pixels of this image as stored in the file, `[H, W]`."""
        values = np.asarray(strip)
        return values.view(np.uint32) if self.unsigned else values


def grey_of(image: Image.Image, white: float | None) -> Grey | None:
    """How an image becomes 8-bit grey, from its header; None where it is no deeper than 8 bits.

    Args:
        image: any image.
        white: of 32-bit integers and floats. None: 1 for floats, unknown for integers.
    """
    kind = image.mode[:4]  # "I;16" and its byte orders
    if kind not in ("I;16", "I", "F"):
        return None
    tags = getattr(image, "tag_v2", {})
    inverted = tags.get(PHOTOMETRIC_INTERPRETATION) == WHITE_IS_ZERO
    if kind == "I;16":
        bits = tags.get(BITSPERSAMPLE, (16,))[0]  # 12 in some scanners' files
        return Grey((1 << bits) - 1, inverted, transparent=image.info.get("transparency"))
    if kind == "F":
        return Grey(1.0 if white is None else white, inverted)
    return Grey(white, inverted, unsigned=bool(tags) and tags.get(SAMPLEFORMAT, (UNSIGNED,))[0] == UNSIGNED)


def needs_white(image: Image.Image) -> bool:
    """Whether a header says 32-bit integers or floats, whose white is not fixed by the format."""
    return image.mode in ("I", "F")


def smallest_white(largest: float) -> float | None:
    """The smallest of `WHITES` that a largest value does not exceed; None where it exceeds them all."""
    return next((white for white in WHITES if largest <= white * (1 + TOLERANCE)), None)


def require_range(values: np.ndarray, white: float) -> None:
    """Raise UnreadableImage for values that are not finite, or outside 0..white."""
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(low + high):  # NaN becomes the minimum and the maximum
        raise UnreadableImage("pixels that are NaN or infinite: expected numbers from 0 to white")
    if low < -TOLERANCE * white:
        raise UnreadableImage(
            f"negative pixels, down to {low:g}: expected values from 0 to {white:.10g}; add an offset"
        )
    if high > white * (1 + TOLERANCE):
        raise UnreadableImage(
            f"pixels up to {high:g}, above white, which is {white:.10g}: divide them, or train with --set data.white="
            f"{smallest_white(high) or high:.10g}"
        )
