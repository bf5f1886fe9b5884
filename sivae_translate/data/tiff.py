"""Read TIFF files where Pillow fails: on byte orders, separate planes, signed bytes and malformed metadata."""

from __future__ import annotations

from typing import Any

from PIL import Image, TiffImagePlugin
from PIL.TiffImagePlugin import BITSPERSAMPLE, PLANAR_CONFIGURATION, SAMPLEFORMAT, SAMPLESPERPIXEL

from sivae_translate.data.unreadable import OTHER_PIXELS, UnreadableImage

TOGETHER, SEPARATE = 1, 2  # values of the tag for planes
SIGNED = 2  # value of the tag for the type of samples
SWAPPED = {"I;16BS": "I;16NS", "I;32BS": "I;32NS", "F;32BF": "F;32NF"}  # libtiff has swapped the bytes already


class PlainTiff(TiffImagePlugin.TiffImageFile):
    """Pillow's reader, whose pixels stay as stored, and whose size is not checked against process-wide settings."""

    def _setup(self) -> None:
        if self.tag_v2.get(SAMPLESPERPIXEL, 1) == 1:
            self.tag_v2[PLANAR_CONFIGURATION] = TOGETHER  # one channel has no separate planes; Pillow would misread it
        super()._setup()
        if self.mode == "L" and self.tag_v2.get(SAMPLEFORMAT, (1,))[0] == SIGNED:
            raise UnreadableImage(OTHER_PIXELS)  # Pillow reads -1 as 255
        self.tile = [tile._replace(args=self._as_stored(tile.codec_name, tile.args)) for tile in self.tile]

    def _as_stored(self, codec: str, args: Any) -> Any:
        """The arguments of a decoder, of which the first says how pixels are stored."""
        stored, *others = args
        if codec == "libtiff":
            return (SWAPPED.get(stored, stored), *others)
        if self.tag_v2.get(PLANAR_CONFIGURATION) == SEPARATE and self.tag_v2.get(BITSPERSAMPLE, (8,))[0] == 16:
            return (f"{stored};16{'L' if self.tag_v2.prefix == b'II' else 'B'}", *others)  # Pillow has cut this off
        return args

    def load_prepare(self) -> None:
        if self._im is None:
            self.im = Image.new(self.mode, self._tile_size, None).im  # without Pillow's check of the size
        super().load_prepare()

    def load_end(self) -> None:
        self._size = self.im.size  # Pillow has exchanged the sides, and would turn the image in a second copy here
