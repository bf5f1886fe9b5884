"""Files that cannot be read, each with a short reason: the same for the same fault, so that reports can group them."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from sivae_translate.errors import SivaeError

END_OF_DATA = (EOFError, IndexError, struct.error)
CUT = (  # words of Pillow and of libheif for a file that ends too early
    *("truncated", "no more images", "cannot load this image"),
    *("unexpected end of file", "file size too small"),
)


OTHER_PIXELS = "pixels of a type that is not read: convert the image to unsigned 8 bits per channel"


class UnreadableImage(SivaeError):  # noqa: N818 - named after the file's state, like FileNotFound
    """A file that cannot be decoded. The message is the reason alone, such as "truncated"; the caller adds the path."""


@contextmanager
def only_unreadable() -> Iterator[None]:
    """Turn every exception of the block into UnreadableImage: on damaged data Pillow raises exceptions of any type."""
    try:
        yield
    except UnreadableImage:
        raise
    except Exception as error:
        raise UnreadableImage(_reason(error)) from error


def regular_file(path: str | Path) -> os.stat_result:
    """The status of a regular file that is not empty.

    Raises:
        UnreadableImage: a folder, a pipe, which could block, an empty file, or no file.
    """
    with only_unreadable():
        status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableImage("not a regular file")
    if status.st_size == 0:
        raise UnreadableImage("empty file")
    return status


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:  # from the operating system, such as "permission denied"
        return error.strerror.lower()
    if isinstance(error, MemoryError):
        return "too little memory"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return "too many pixels for Pillow in this format"
    message = " ".join(str(error).split())
    ended = isinstance(error, END_OF_DATA) or isinstance(error.__cause__, END_OF_DATA)
    if ended or any(words in message.lower() for words in CUT):
        return "truncated"
    if message == "unknown pixel mode":  # of a TIFF file, such as 32-bit or 64-bit channels
        return OTHER_PIXELS
    readable = isinstance(error, OSError | SyntaxError | ValueError)  # the message of a KeyError is only a number
    return f"corrupt: {message}" if readable and message else "corrupt"
