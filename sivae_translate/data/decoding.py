"""Bound the memory of decoding: by image, and by all threads of the process together."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from sivae_translate.data.unreadable import UnreadableImage

MAX_MEGAPIXELS = 250  # as RGB this is 0.75 GB, and 1 GB in Pillow
LIMIT_VARIABLE = "SIVAE_MAX_MEGAPIXELS"
DECODING = 512 << 20  # bytes of images that threads decode at the same time; a larger image is decoded alone
BYTES_PER_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2}  # in Pillow's memory; 4 in all other modes
COPIES = {"WEBP": 3, "AVIF": 3, "HEIF": 3}  # the decoder's own, and Pillow's
COEFFICIENTS = 6  # bytes per pixel of the whole image that libjpeg holds for a progressive JPEG, reduced or not

Size = tuple[int, int]


def max_megapixels() -> float:
    """The largest image that is read, in megapixels: `MAX_MEGAPIXELS`, or a positive SIVAE_MAX_MEGAPIXELS."""
    try:
        given = float(os.environ.get(LIMIT_VARIABLE, ""))
    except ValueError:
        return MAX_MEGAPIXELS
    return given if given > 0 else MAX_MEGAPIXELS


def require_pixels(size: Size) -> None:
    """Raise UnreadableImage for an image above the limit, with a limit of some round number that holds it."""
    limit = max_megapixels()
    needed, raised = size[0] * size[1] / 1e6, limit
    if needed <= limit:
        return
    while raised < needed:
        raised *= 2
    raise UnreadableImage(f"more than {limit:g} megapixels: to read it, export {LIMIT_VARIABLE}={raised:g}")


def decoding_bytes(image: Image.Image) -> int:
    """An upper estimate of the memory that decoding an image takes, from its header alone."""
    pixels, pixel = image.width * image.height, BYTES_PER_PIXEL.get(image.mode[:4], 4)  # "I;16" and its byte orders
    decoded = pixels * pixel * COPIES.get(image.format or "", 1)
    if not image.info.get("progressive"):
        return decoded
    scale = int((*getattr(image, "decoderconfig", ()), 1)[0])  # by which `draft` has reduced the size
    return decoded + COEFFICIENTS * pixels * scale * scale


class Allowance:
    """Bytes that threads share. Each takes its part for a while, and waits until that part is free."""

    def __init__(self, total: int) -> None:
        self.total, self.taken, self.changed = total, 0, threading.Condition()

    @contextmanager
    def part(self, size: int) -> Iterator[None]:
        """Hold `size` bytes, or all of them where `size` is larger than the total."""
        size = min(size, self.total)
        with self.changed:
            self.changed.wait_for(lambda: self.taken + size <= self.total)
            self.taken += size
        try:
            yield
        finally:
            with self.changed:
                self.taken -= size
                self.changed.notify_all()


decoding = Allowance(DECODING)


def _begin_anew() -> None:
    """A forked process inherits what its parent's threads have taken, but not the threads that give it back."""
    decoding.taken, decoding.changed = 0, threading.Condition()


if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
    os.register_at_fork(after_in_child=_begin_anew)
