"""The EXIF orientation of an image, also where other parts of its metadata are damaged."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from PIL import Image
from PIL.ExifTags import Base

UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {  # from the stored image `[H, W, 3]`
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}
INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}  # by the number of the type in EXIF


def upright(pixels: np.ndarray, image: Image.Image) -> np.ndarray:
    """The pixels `[H, W, 3]` of an image, turned as its orientation says."""
    turn = UPRIGHT.get(orientation(image))
    return pixels if turn is None else np.ascontiguousarray(turn(pixels))


def orientation(image: Image.Image) -> int:
    """The orientation of a loaded image, in 1..8; 1 where nothing says otherwise."""
    return next((value for value in _stated(image) if value in range(1, 9)), 1)


def _stated(image: Image.Image) -> Iterator[int]:
    """What the sources of an orientation say, the first one first; some may be malformed."""
    tags: list[Any] = []
    with suppress(Exception):  # Pillow raises exceptions of any type on malformed EXIF
        tags.append(image.getexif().get(Base.Orientation))
    tags.append(getattr(image, "tag_v2", {}).get(Base.Orientation))
    for tag in tags:
        value = tag[0] if isinstance(tag, tuple | bytes) and tag else tag  # a tag can hold several values
        if isinstance(value, int | float) and value in range(1, 9):
            yield int(value)
    exif = image.info.get("exif")
    if isinstance(exif, bytes):
        yield from _in_exif(exif)


def _in_exif(exif: bytes) -> Iterator[int]:
    """The orientation in the first directory of an EXIF block; older Pillow stops at a malformed entry before it."""
    body = exif[6:] if exif[:6] == b"Exif\0\0" else exif
    order = {b"II": "<", b"MM": ">"}.get(body[:2])
    with suppress(struct.error):  # the block ends
        if order:
            (at,) = struct.unpack_from(order + "I", body, 4)
            (entries,) = struct.unpack_from(order + "H", body, at)
            for entry in range(at + 2, at + 2 + 12 * entries, 12):
                tag, kind = struct.unpack_from(order + "HH", body, entry)
                integer = INTEGERS.get(kind)
                if tag == Base.Orientation and integer:
                    yield struct.unpack_from(order + integer, body, entry + 8)[0]
