"""Decode one untrusted image file to upright 8-bit sRGB, or raise UnreadableImage with a short reason.

Pillow decodes all formats, as other decoders crash or return grey pixels for damaged files. Decoding neither reads nor
changes process-wide settings of Pillow, so every thread and every host application gets the same pixels.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sivae_translate.data.colour import on_background
from sivae_translate.data.cut import is_cut
from sivae_translate.data.decoding import MAX_MEGAPIXELS, decoding, decoding_bytes, max_megapixels, require_pixels
from sivae_translate.data.depth import grey_of
from sivae_translate.data.heif import START, is_avif, is_heif, open_heif
from sivae_translate.data.orientation import upright
from sivae_translate.data.png import SoundPng
from sivae_translate.data.tiff import PlainTiff
from sivae_translate.data.unreadable import UnreadableImage as UnreadableImage
from sivae_translate.data.unreadable import only_unreadable
from sivae_translate.data.unreadable import regular_file as regular_file
from sivae_translate.errors import UsageError, did_you_mean

BACKGROUND = (255, 255, 255)
FITS = ("crop", "pad", "stretch")
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF")

READERS: dict[str, Callable[..., Image.Image]] = {"PNG": SoundPng, "TIFF": PlainTiff}  # in place of Pillow's own

FILE_BYTES_PER_PIXEL = 8  # 16 bits in four channels: no image file is larger uncompressed
MAX_PIXELS = MAX_MEGAPIXELS * 1_000_000
MAX_BYTES = FILE_BYTES_PER_PIXEL * MAX_PIXELS
LARGE = 1 << 24  # pixels; only a larger image is reduced while it is converted
SPARE = 4  # times the side that is needed, of a reduced image
BAND = 1 << 20  # pixels that are converted at a time

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Frame:
    """The square that every image is put into; see `fit`.

    Attributes:
        size: side in pixels.
        fit: one of `FITS`.
        background: RGB in 0..255, under transparent images and beside padded ones.
        white: the value that is white in float and 32-bit images. None: training has seen no such image; then it is
            1 in floats, and 32-bit integers are unreadable.
    """

    size: int
    fit: str
    background: Colour
    white: float | None = None


def max_bytes() -> float:
    """The largest image file that is read: no file of `max_megapixels()` is larger uncompressed."""
    return FILE_BYTES_PER_PIXEL * max_megapixels() * 1e6


def read_image(
    path: str | Path, *, background: Colour = BACKGROUND, min_side: int | None = None, white: float | None = None
) -> np.ndarray:
    """The image in a file as uint8 `[H, W, 3]`, upright, in sRGB, composited onto `background`.

    The format is read from the content, not from the suffix. Of several frames or pages the first is read.

    Args:
        path: the file.
        background: RGB in 0..255, under transparent pixels.
        min_side: least length of the shorter side in pixels. A large JPEG may then be decoded at 1/2, 1/4 or 1/8 of
            its size, which is several times faster, and any image of more than `LARGE` pixels may be reduced.
        white: as in `Frame`.

    Raises:
        UnreadableImage: the file is not regular, holds no whole image of at most `max_megapixels()`, or holds values
            outside 0..white.
    """
    return to_rgb(open_image(path, min_side=min_side), background, white=white, min_side=min_side)


def open_image(path: str | Path, *, min_side: int | None = None) -> Image.Image:
    """The image in a file, with header and size checked; the pixels are not decoded yet.

    Args:
        path: the file.
        min_side: as in `read_image`, for JPEG.

    Raises:
        UnreadableImage: the file is not regular, neither one of `FORMATS` nor HEIC, visibly damaged, or too large.
    """
    with only_unreadable():
        require_bytes(regular_file(path).st_size)
        return open_bytes(Path(path).read_bytes(), min_side=min_side)


def open_bytes(data: bytes, *, min_side: int | None = None) -> Image.Image:
    """The image in the contents of a file; see `open_image`."""
    with only_unreadable():
        require_bytes(len(data))
        image = _identify(data)
        whole = image.size
        if min_side:
            image.draft(None, (min_side, min_side))
        require_pixels(whole if image.info.get("progressive") else image.size)
        return image


def require_bytes(size: int) -> None:
    """Raise UnreadableImage for a file that is empty or larger than `max_bytes()`."""
    if not size:
        raise UnreadableImage("empty file")
    if size > max_bytes():
        raise UnreadableImage(f"a file of more than {max_bytes() / 2**20:.0f} MiB")


def to_rgb(
    image: Image.Image, background: Colour = BACKGROUND, *, white: float | None = None, min_side: int | None = None
) -> np.ndarray:
    """Any Pillow image as uint8 `[H, W, 3]`: upright, in sRGB, composited onto `background`.

    Grey deeper than 8 bits is scaled to 0..255, never clipped: 16-bit grey by its full scale, other values by `white`.
    All threads together decode at most `decoding.DECODING` bytes at a time.

    Args:
        image: opened or already decoded.
        background: RGB in 0..255, under transparent pixels.
        white: as in `Frame`.
        min_side: as in `read_image`, for an image of more than `LARGE` pixels.

    Raises:
        UnreadableImage: the pixels cannot be decoded, or lie outside 0..white.
    """
    with only_unreadable(), decoding.part(decoding_bytes(image)):
        image.load()
        grey, profile = grey_of(image, white), image.info.get("icc_profile")
        factor = reduction(image.size, min_side)
        pixels = np.empty((-(-image.height // factor), -(-image.width // factor), 3), np.uint8)
        row = 0
        for band in bands(image, factor):
            rgb = on_background(grey.levels(band) if grey else band, background, profile)
            part = np.asarray(rgb.reduce(factor) if factor > 1 else rgb)
            pixels[row : row + len(part)] = part
            row += len(part)
        return upright(pixels, image)


def reduction(size: tuple[int, int], min_side: int | None) -> int:
    """The integer factor by which an image of (width, height) may be reduced."""
    if not min_side or size[0] * size[1] <= LARGE:
        return 1
    return max(1, min(size) // (SPARE * min_side))


def bands(image: Image.Image, multiple: int = 1) -> Iterator[Image.Image]:
    """An image in horizontal bands of about `BAND` pixels, from top to bottom, of a multiple of so many rows."""
    image.load()
    rows = max(1, BAND // (image.width * multiple)) * multiple
    for top in range(0, image.height, rows):
        box = (0, top, image.width, min(top + rows, image.height))
        yield image._new(image.im.crop(box))  # `Image.crop` checks sizes by process-wide settings


def fit(image: np.ndarray, size: int, how: str = "crop", background: Colour = BACKGROUND) -> np.ndarray:
    """Resize an image, uint8 `[H, W, 3]`, to `[size, size, 3]`.

    A box filter shrinks a side, bicubic interpolation enlarges it.

    Args:
        image: the pixels.
        size: side of the result in pixels.
        how: "crop" keeps the central square, "pad" keeps everything and fills the rest with `background`, "stretch"
            changes the aspect ratio.
        background: RGB in 0..255.

    Raises:
        UsageError: `how` is none of `FITS`.
    """
    picture = Image.fromarray(image)
    width, height = picture.size
    if how == "stretch":
        return np.array(resized(picture, size, size))
    if how == "crop":
        side = min(width, height)  # cropping comes first: a resized 4000x1 would not fit in memory
        left, top = (width - side) // 2, (height - side) // 2
        return np.array(resized(picture.crop((left, top, left + side, top + side)), size, size))
    if how == "pad":
        scale = size / max(width, height)
        inner = resized(picture, max(1, round(width * scale)), max(1, round(height * scale)))
        canvas = Image.new("RGB", (size, size), background)
        canvas.paste(inner, ((size - inner.width) // 2, (size - inner.height) // 2))
        return np.array(canvas)
    raise UsageError(f"cannot fit images by {how!r}: {did_you_mean(how, list(FITS))}")


def is_image(path: str | Path) -> bool:
    """Whether a regular file begins like an image of `FORMATS`, or like HEIC."""
    return _opener_of(path) is not None


def may_need_white(path: str | Path) -> bool:
    """Whether a regular file begins like a TIFF file; of `FORMATS` only TIFF holds floats and 32-bit integers."""
    return _opener_of(path) is PlainTiff


def _opener_of(path: str | Path) -> Callable[..., Image.Image] | None:
    """Pillow's reader of a file, by its first bytes; None where that is no regular file that can be read."""
    try:
        regular_file(path)
        with open(path, "rb") as file:
            return _opener(file.read(START))
    except (UnreadableImage, OSError):
        return None


def _identify(data: bytes) -> Image.Image:
    """Open an image as `Image.open` does, but without its size check, which follows process-wide settings."""
    if data.startswith(b"version https://git-lfs"):
        raise UnreadableImage("git-lfs pointer")
    if all(byte >= 32 or byte in b"\t\n\f\r" for byte in data[:512]):
        raise UnreadableImage("not an image (text)")
    opener = _opener(data[:START])
    if opener is None and is_avif(data[:START]):
        raise UnreadableImage("AVIF, which this version of Pillow does not read: pip install --upgrade pillow")
    if opener is None:
        raise UnreadableImage(f"a format that is not read: expected {', '.join(FORMATS)}")
    try:
        return opener(io.BytesIO(data), "")
    except Exception:
        if is_cut(data):
            raise UnreadableImage("truncated") from None
        raise


def _opener(start: bytes) -> Callable[..., Image.Image] | None:
    """The reader of the format that begins with these `START` bytes; None where that is none of `FORMATS` nor HEIC."""
    if is_heif(start):
        return open_heif
    Image.init()
    for name in FORMATS:
        opener, accepts = Image.OPEN.get(name, (None, None))
        if opener and accepts and accepts(start[:16]) is True:
            return READERS.get(name, opener)
    return None


def resized(image: Image.Image, width: int, height: int) -> Image.Image:
    """An image of another size: a box filter shrinks a side, bicubic interpolation enlarges it."""
    smaller = image.resize((min(width, image.width), min(height, image.height)), Image.Resampling.BOX)
    return smaller.resize((width, height), Image.Resampling.BICUBIC)
