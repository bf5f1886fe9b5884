"""Outputs as the bytes of their files: the picture in its size, with its transparency, in its format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from sivae_translate.data.decoding import decoding
from sivae_translate.data.images import Frame, UnreadableImage
from sivae_translate.inference.plan import SAME, SAVE_OPTIONS, SIDES, format_of
from sivae_translate.inference.shape import Placement, Shape, finished, mask_of
from sivae_translate.pictures import picture_bytes

BYTES_PER_PIXEL = 8  # of a picture that is resized and encoded


@dataclass(frozen=True)
class Writing:
    """How the outputs of a call are written.

    Attributes:
        frame: of the model.
        format: a key of `SAVE_OPTIONS`, or `SAME`.
    """

    frame: Frame
    shape: Shape
    format: str

    def encoded(self, path: Path, output: Path, canvas: Image.Image, placement: Placement | None) -> bytes:
        """The file of an output.

        Args:
            path: of the input.
            output: its suffix names the format.
            canvas: the translation.

        Raises:
            UnreadableImage: the format has no pictures of this size, or the input cannot be read any more.
        """
        format, size = format_of(output), placement.output if placement else canvas.size
        if max(size) > SIDES.get(format, max(size)):
            raise UnreadableImage(f"too large for {format}: more than {SIDES[format]:,} pixels; write it as png")
        mask = None  # before the budget is taken, since reading takes a part of it too
        if self.shape.alpha == "keep" and format != "jpg":
            mask = mask_of(path, size, self.frame, self.shape)
        with decoding.part(BYTES_PER_PIXEL * size[0] * size[1]):
            picture = finished(canvas, placement)
            if mask:
                picture.putalpha(mask)
            return picture_bytes(picture, format.replace("jpg", "jpeg"), **SAVE_OPTIONS[format])

    def remark(self, path: Path) -> str:
        """Why an output has another format than its input, where it should have the same."""
        if self.format != SAME or format_of(path) in SAVE_OPTIONS:
            return ""
        return f"png, as {path.suffix.lower() or 'a name without a suffix'} is not written"
