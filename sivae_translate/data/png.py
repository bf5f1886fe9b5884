"""Read PNG files by what their pixels depend on, and check that the pixel data is whole.

Pillow refuses a file whose text or profile is large, whose ancillary chunks are damaged or whose end chunk is missing,
although its pixels are sound. Pillow also accepts pixel data that ends too early, and leaves the other rows black.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from PIL import PngImagePlugin

from sivae_translate.data.unreadable import UnreadableImage

SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = b"\0\0\0\0IEND\xae\x42\x60\x82"
NEEDED = (b"IHDR", b"PLTE", b"IDAT", b"tRNS")  # a wrong checksum in one of them may mean wrong pixels
METADATA = (b"iCCP", b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"acTL")
MAX_METADATA = 1 << 24  # bytes of one profile or text; the largest printer profiles have a few MiB
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
PASSES = ((0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1))
# of an interlaced image: first row, step between rows, first column, step between columns


class SoundPng(PngImagePlugin.PngImageFile):
    """Pillow's reader, given the needed chunks alone. `load` raises OSError where the pixel data ends too early."""

    def _open(self) -> None:
        assert self.fp is not None
        self.chunks = parse(self.fp.read())
        self.fp = io.BytesIO(self.chunks.rebuilt())
        super()._open()
        self.info.update(self.chunks.info)
        if "transparency" in self.info:
            self.info["transparency"] = self._in_eight_bits(self.info["transparency"])

    def _in_eight_bits(self, transparent: int | bytes | tuple[int, ...]) -> int | bytes | tuple[int, ...]:
        """The transparent colour in the values of the decoded pixels; Pillow gives it as it stands in the file."""
        depth = self.chunks.header[2]
        if self.mode == "RGB" and depth == 16 and isinstance(transparent, tuple):
            return tuple(value >> 8 for value in transparent)
        if self.mode == "1":
            return 255 if transparent else 0
        if self.mode == "L" and isinstance(transparent, int):
            return (transparent & ((1 << depth) - 1)) * 255 // ((1 << depth) - 1)
        return transparent

    def load_end(self) -> None:
        super().load_end()
        last_row = self._new(self.im.crop((0, self.height - 1, *self.size)))  # `crop` checks process-wide settings
        may_be_missing = self.info.get("interlace") or not any(last_row.tobytes())  # missing rows are black
        if may_be_missing and not self.chunks.has_every_row():
            raise OSError("image file is truncated")


@dataclass
class Chunks:
    """The chunks of a PNG file that its pixels depend on.

    Attributes:
        header: width, height, bits per channel, colour type, compression, filter, interlace.
        needed: names of the needed chunks, in order, and the chunks with length, name, body and checksum.
        animation: the chunk that counts the frames, where there are several.
        info: colour profile, EXIF and XMP, under Pillow's names.
    """

    header: tuple[int, ...] = ()
    needed: list[tuple[bytes, memoryview]] = field(default_factory=list)
    animation: bytes = b""
    info: dict[str | tuple[int, int], bytes | str] = field(default_factory=dict)

    def rebuilt(self) -> bytes:
        """A PNG file of the needed chunks alone."""
        header, *others = (chunk for _, chunk in self.needed)
        return b"".join([SIGNATURE, header, self.animation, *others, END])

    def has_every_row(self) -> bool:
        """Whether the pixel data holds all rows; this inflates it once more."""
        missing, stream = self.expected_bytes(), zlib.decompressobj()
        for data in (chunk[8:-4] for name, chunk in self.needed if name == b"IDAT"):
            while data and missing > 0 and not stream.eof:
                missing -= len(stream.decompress(data, 1 << 20))
                data = memoryview(stream.unconsumed_tail)
        return missing <= len(stream.flush())

    def expected_bytes(self) -> int:
        """Bytes of the inflated pixel data: rows of a filter byte and packed pixels."""
        width, height, depth, colour, *_, interlace = self.header
        bits, total = depth * CHANNELS[colour], 0
        for first_row, row_step, first_column, column_step in PASSES if interlace else ((0, 1, 0, 1),):
            rows, columns = -(-(height - first_row) // row_step), -(-(width - first_column) // column_step)
            if rows > 0 and columns > 0:
                total += rows * (1 + -(-columns * bits // 8))
        return total


def parse(data: bytes) -> Chunks:
    """The chunks of a PNG file.

    Raises:
        UnreadableImage: a needed chunk is missing, incomplete or has a wrong checksum.
    """
    found = Chunks()
    for name, chunk, sound in chunks(data):
        if name in NEEDED:
            if not sound:
                raise UnreadableImage("corrupt: a wrong checksum in a PNG file")
            found.needed.append((name, chunk))
        elif sound and name in METADATA:
            keep_metadata(found, name, bytes(chunk))
        elif name[:1].isupper():
            raise UnreadableImage("corrupt: an unknown critical chunk in a PNG file")
    names = [name for name, _ in found.needed]
    if not names or b"IDAT" not in names:
        raise UnreadableImage("truncated")
    header = found.needed[0][1][8:-4]
    if names[0] != b"IHDR" or len(header) != 13:
        raise UnreadableImage("corrupt: no header in a PNG file")
    found.header = struct.unpack(">IIBBBBB", header)
    return found


def chunks(data: bytes) -> Iterator[tuple[bytes, memoryview, bool]]:
    """Name, bytes and whether the checksum is right, of each chunk up to IEND or the end of the file.

    Raises:
        UnreadableImage: a needed chunk is incomplete, or the file is damaged between two chunks.
    """
    view, at, seen_pixels = memoryview(data), len(SIGNATURE), False
    while at < len(data):
        name = data[at + 4 : at + 8]
        length = int.from_bytes(data[at : at + 4], "big")
        end = at + 12 + length
        if name == b"IEND":
            return
        if end > len(data) or not (name.isalpha() and name.isascii()):
            if seen_pixels and name not in NEEDED:  # `has_every_row` finds out whether pixels are lost
                return
            raise UnreadableImage("truncated" if end > len(data) else "corrupt: damaged chunks in a PNG file")
        yield name, view[at:end], zlib.crc32(view[at + 4 : end - 4]) == int.from_bytes(data[end - 4 : end], "big")
        seen_pixels = seen_pixels or name == b"IDAT"
        at = end


def keep_metadata(found: Chunks, name: bytes, chunk: bytes) -> None:
    """Keep what decides about colour and orientation, of any size up to `MAX_METADATA`; skip what is malformed."""
    body = chunk[8:-4]
    key, _, rest = body.partition(b"\0")
    if name == b"eXIf":
        found.info["exif"] = b"Exif\0\0" + body
    elif name == b"acTL" and len(body) == 8 and int.from_bytes(body[:4], "big") > 1:
        found.animation = chunk
    elif name == b"iCCP":
        found.info["icc_profile"] = inflated(rest[1:])
    elif name == b"iTXt" and key == b"XML:com.adobe.xmp":
        text = rest[2:].split(b"\0", 2)[-1]  # after the language and the translated key
        text = inflated(text) if rest[:1] == b"\1" else text[:MAX_METADATA]
        found.info["XML:com.adobe.xmp"] = text.decode("utf-8", "replace")
    elif name in (b"tEXt", b"zTXt") and key == b"Raw profile type exif":
        text = inflated(rest[1:]) if name == b"zTXt" else rest[:MAX_METADATA]
        found.info["Raw profile type exif"] = text.decode("latin-1")


def inflated(data: bytes) -> bytes:
    """The text or profile in a compressed chunk; empty where it is damaged or larger than `MAX_METADATA`."""
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(data, MAX_METADATA)
    except zlib.error:
        return b""
    return b"" if stream.unconsumed_tail else text
