"""Read HEIC and HEIF files with pillow-heif, which is optional. Pillow's process-wide registry stays as it is."""

from __future__ import annotations

from functools import cache
from typing import Any

from PIL import Image

from sivae_translate.data.unreadable import UnreadableImage
from sivae_translate.errors import UsageError
from sivae_translate.extras import require

HEIF_SUFFIXES = {".heic", ".heif", ".hif", ".heics", ".heifs"}
START = 64  # first bytes of a file, which hold its brands
HEVC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
AV1 = {b"avif", b"avis"}
EITHER = {b"mif1", b"msf1"}  # then one of the compatible brands tells which


def is_heif(start: bytes) -> bool:
    """Whether a file begins like HEIC or HEIF, given its first `START` bytes."""
    if start[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(start[:4], "big"), len(start) // 4 * 4)
    first, others = start[8:12], {start[at : at + 4] for at in range(16, end, 4)}
    return first in HEVC or (first in EITHER and not others & AV1)


def is_avif(start: bytes) -> bool:
    """Whether a file begins like AVIF, given its first `START` bytes."""
    return start[4:8] == b"ftyp" and start[8:12] in AV1 | EITHER and not is_heif(start)


@cache
def why_no_heif() -> str | None:
    """Why HEIC files cannot be read, with the command that mends it; None where they can."""
    try:
        require("pillow_heif", "heif")
    except UsageError as error:
        return str(error).replace("this needs", "HEIC needs", 1)
    return None


def open_heif(file: Any, name: str) -> Image.Image:
    """An image of a HEIC file, whose pixels are not decoded yet; of several the primary one.

    Raises:
        UnreadableImage: pillow-heif cannot be imported.
        SyntaxError: the file is damaged.
    """
    if reason := why_no_heif():
        raise UnreadableImage(reason)
    image: Image.Image = _reader()(file, name)
    return image


@cache
def _reader() -> Any:
    base: Any = require("pillow_heif", "heif").HeifImageFile

    class SoundHeif(base):  # type: ignore[misc, valid-type]
        """The package's reader, which takes no thumbnail for the image, and for which a damaged file is an error."""

        def draft(self, mode: Any, size: Any) -> None:
            return None

        def load(self) -> Any:
            if self._heif_file:
                self._heif_file[self.tell()].load()  # raises, even where Pillow is told to load truncated images
            return super().load()

    return SoundHeif
