"""Pictures inside a page, as data URIs."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image

from sivae_translate.pictures import picture_bytes

QUALITY = 85  # of JPEG
SHRINK = 0.75  # factor of the sides, where a picture takes too many bytes


def embed(path: Path, limit: int) -> str:
    """A PNG file as a data URI of at most `limit` bytes of picture.

    A larger file becomes a JPEG, and a smaller picture where that does not suffice.

    Raises:
        OSError: the file cannot be read, or is no picture.
    """
    data = path.read_bytes()
    if len(data) <= limit:
        return data_uri("image/png", data)
    with Image.open(io.BytesIO(data)) as opened:
        picture = opened.convert("RGB")
    while len(data := jpeg(picture)) > limit and min(picture.size) > 1:
        picture = picture.resize([max(1, int(SHRINK * side)) for side in picture.size], Image.Resampling.BOX)
    return data_uri("image/jpeg", data)


def jpeg(picture: Image.Image) -> bytes:
    return picture_bytes(picture, "JPEG", quality=QUALITY)


def data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
