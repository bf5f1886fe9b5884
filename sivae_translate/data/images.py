"""Decode one untrusted image file to upright 8-bit sRGB, or raise UnreadableImage with a short reason.

Pillow decodes all formats, as other decoders crash or return grey pixels for damaged files. Decoding neither reads nor
changes process-wide settings, so every thread and every host application gets the same pixels.
"""

from __future__ import annotations

import functools
import io
import os
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms

from sivae_translate.errors import SivaeError, UsageError, did_you_mean

BACKGROUND = (255, 255, 255)
FITS = ("crop", "pad", "stretch")
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF")

MAX_PIXELS = 89_478_485  # 256 MiB as RGB, and Pillow's default limit
MAX_BYTES = 1 << 30  # above the uncompressed size of MAX_PIXELS at 16 bits and four channels

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
FULL_SCALES: dict[str, tuple[int, ...]] = {"I;16": (65535,), "I": (255, 65535), "F": (1, 255)}

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Frame:
    """The square that every image is put into; see `fit`.

    Attributes:
        size: side in pixels.
        fit: one of `FITS`.
        background: RGB in 0..255, under transparent images and beside padded ones.
    """

    size: int
    fit: str
    background: Colour


class UnreadableImage(SivaeError):  # noqa: N818 - named after the file's state, like FileNotFound
    """A file that cannot be decoded. The message is the reason alone, such as "truncated"; the caller adds the path."""


def read_image(path: str | Path, *, background: Colour = BACKGROUND, min_side: int | None = None) -> np.ndarray:
    """The image in a file as uint8 `[H, W, 3]`, upright, in sRGB, composited onto `background`.

    The format is read from the content, not from the suffix. Of several frames or pages the first is read.

    Args:
        path: the file.
        background: RGB in 0..255, under transparent pixels.
        min_side: least length of the shorter side in pixels. A large JPEG may then be decoded at 1/2, 1/4 or 1/8 of
            its size, which is several times faster.

    Raises:
        UnreadableImage: the file is not regular, or holds no whole image of at most `MAX_PIXELS`.
    """
    image = open_image(path)
    if min_side:
        image.draft(None, (min_side, min_side))
    return np.array(to_rgb(image, background))


def open_image(path: str | Path) -> Image.Image:
    """The image in a file, with header and size checked; the pixels are not decoded yet.

    Raises:
        UnreadableImage: the file is not regular, not one of `FORMATS`, visibly damaged, or too large.
    """
    with _only_unreadable():
        size = regular_file(path).st_size
        if size > MAX_BYTES:
            raise UnreadableImage(f"too large a file: {size >> 20} MiB > {MAX_BYTES >> 20} MiB")
        data = Path(path).read_bytes()
        image = _identify(data)
        if image.width * image.height > MAX_PIXELS:
            raise UnreadableImage(f"too many pixels: {image.width}x{image.height} > {MAX_PIXELS // 10**6} Mpx")
        if image.format == "PNG":
            image.verify()  # decoding skips the checksums, and a flipped byte would only change pixels
            image = _identify(data)  # `verify` leaves the image unusable
        return image


def to_rgb(image: Image.Image, background: Colour = BACKGROUND) -> Image.Image:
    """Any Pillow image as a new RGB image: upright, in sRGB, composited onto `background`, without metadata.

    Grey deeper than 8 bits is scaled to 0..255, never clipped. The full scale is 65535 for 16-bit grey, 255 or 65535
    for 32-bit integers, and 1 or 255 for floats. The smaller one is used if no value exceeds it. Negative values, or
    values above the full scale, are scaled by the image's minimum and maximum.

    Raises:
        UnreadableImage: the pixels cannot be decoded.
    """
    with _only_unreadable():
        image.load()
        colour, alpha = _split_alpha(_eight_bit(_upright(image)))
        rgb = _to_srgb(colour, image.info.get("icc_profile"))
        canvas = Image.new("RGB", rgb.size, background)  # a new image has no orientation tag and no profile
        canvas.paste(rgb, mask=alpha)
        return canvas


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
        return np.array(_resize(picture, size, size))
    if how == "crop":
        side = min(width, height)  # cropping comes first: a resized 4000x1 would not fit in memory
        left, top = (width - side) // 2, (height - side) // 2
        return np.array(_resize(picture.crop((left, top, left + side, top + side)), size, size))
    if how == "pad":
        scale = size / max(width, height)
        inner = _resize(picture, max(1, round(width * scale)), max(1, round(height * scale)))
        canvas = Image.new("RGB", (size, size), background)
        canvas.paste(inner, ((size - inner.width) // 2, (size - inner.height) // 2))
        return np.array(canvas)
    raise UsageError(f"cannot fit images by {how!r}: {did_you_mean(how, list(FITS))}")


def regular_file(path: str | Path) -> os.stat_result:
    """The status of a regular file that is not empty.

    Raises:
        UnreadableImage: a folder, a pipe, which could block, an empty file, or no file.
    """
    with _only_unreadable():
        status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableImage("not a regular file")
    if status.st_size == 0:
        raise UnreadableImage("empty file")
    return status


def is_image(path: str | Path) -> bool:
    """Whether a regular file begins like an image of `FORMATS`."""
    try:
        regular_file(path)
        with open(path, "rb") as file:
            return _opener(file.read(16)) is not None
    except (UnreadableImage, OSError):
        return False


@contextmanager
def _only_unreadable() -> Iterator[None]:
    """Turn every exception of the block into UnreadableImage: on damaged data Pillow raises exceptions of any type."""
    try:
        yield
    except UnreadableImage:
        raise
    except Exception as error:
        raise UnreadableImage(_reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:  # from the operating system, such as "permission denied"
        return error.strerror.lower()
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):  # Pillow checks frames too
        return "too many pixels"
    message = " ".join(str(error).split())
    if isinstance(error, EOFError | IndexError | struct.error) or "truncated" in message.lower():
        return "truncated"
    readable = isinstance(error, OSError | SyntaxError | ValueError)  # the message of a KeyError is only a number
    return f"corrupt: {message}" if readable and message else "corrupt"


def _identify(data: bytes) -> Image.Image:
    """Open an image as `Image.open` does, but without its size check, which follows process-wide settings."""
    if data.startswith(b"version https://git-lfs"):
        raise UnreadableImage("git-lfs pointer")
    if all(byte >= 32 or byte in b"\t\n\f\r" for byte in data[:512]):
        raise UnreadableImage("not an image (text)")
    opener = _opener(data[:16])
    if opener is None:
        raise UnreadableImage(f"not an image (none of {', '.join(FORMATS)})")
    return opener(io.BytesIO(data), "")


def _opener(start: bytes) -> Callable[..., Image.Image] | None:
    """Pillow's reader of the format that begins with these 16 bytes; None where that is none of `FORMATS`."""
    Image.init()
    for name in FORMATS:
        opener, accepts = Image.OPEN.get(name, (None, None))
        if opener and accepts and accepts(start) is True:
            return opener
    return None


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation. `ImageOps.exif_transpose` also rewrites EXIF, and fails on malformed tags."""
    try:
        operation = UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # the pixels are usable without EXIF
        operation = None
    return image if operation is None else image.transpose(operation)


def _eight_bit(image: Image.Image) -> Image.Image:
    """Grey deeper than 8 bits as mode "L", scaled as in `to_rgb`, NaN as the minimum; other modes unchanged."""
    scales = FULL_SCALES.get(image.mode[:4])  # "I;16" and its byte orders
    if scales is None:
        return image
    values = np.asarray(image).astype(np.float64)
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    black, white = next(((0.0, scale) for scale in scales if low >= 0 and high <= scale), (low, high))
    return Image.fromarray(np.rint((values - black) * (255 / ((white - black) or 1))).astype(np.uint8))


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The colour channels, in a mode that colour management accepts, and the alpha channel, if any."""
    colour = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
    if image.has_transparency_data:  # an alpha channel, or transparent colours or palette entries
        both = image.convert(colour + "A")
        return both.convert(colour), both.getchannel("A")
    return (image if image.mode == "CMYK" else image.convert(colour)), None


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    transform = _srgb_transform(profile, image.mode) if profile else None
    return transform.apply(image) if transform else image.convert("RGB")


@functools.lru_cache(maxsize=8)  # building a transform takes longer than applying it to a small image
def _srgb_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform from a profile to sRGB. None: the profile is damaged or of another mode."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError):
        return None


def _resize(image: Image.Image, width: int, height: int) -> Image.Image:
    smaller = image.resize((min(width, image.width), min(height, image.height)), Image.Resampling.BOX)
    return smaller.resize((width, height), Image.Resampling.BICUBIC)
