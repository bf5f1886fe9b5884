"""Tell a file that has been cut from one that is damaged otherwise, by the lengths that its own header states.

Decoders decide whether an image can be read, as some lengths are wrong in sound files. This only gives the reason.
"""

from __future__ import annotations

import struct

# Tags that pixels depend on: bits, strips, tiles, colour map, sample format and JPEG tables
NEEDED_TAGS = {258, 273, 278, 279, 320, 324, 325, 339, 347}
SIZES = {3: 2, 4: 4, 16: 8}  # bytes of a value, by type; 1 for bytes


def is_cut(data: bytes) -> bool:
    """Whether an image file is shorter than it says: WebP, TIFF and AVIF, whose decoders only report damage."""
    if data[:4] == b"RIFF":
        return len(data) < 8 + int.from_bytes(data[4:8], "little")
    if data[:2] in (b"II", b"MM"):
        return _tiff_is_cut(data)
    return data[4:8] == b"ftyp" and _boxes_are_cut(data)


def _tiff_is_cut(data: bytes) -> bool:
    """Whether the first directory of a TIFF file, or a list it refers to, ends beyond the file."""
    order, big = "<" if data[:2] == b"II" else ">", data[2:4] in (b"\x2b\x00", b"\x00\x2b")
    try:
        (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
        (entries,) = struct.unpack_from(order + ("Q" if big else "H"), data, at)
        at += 8 if big else 2
        for entry in range(at, at + (20 if big else 12) * entries, 20 if big else 12):
            tag, kind, count, where = struct.unpack_from(order + ("HHQQ" if big else "HHII"), data, entry)
            size = count * SIZES.get(kind, 1)
            if tag in NEEDED_TAGS and size > (8 if big else 4) and where + size > len(data):
                return True
    except struct.error:  # the file ends
        return True
    return False


def _boxes_are_cut(data: bytes) -> bool:
    """Whether one of the boxes of an AVIF file ends beyond the file."""
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:  # then the size follows the name, in 8 bytes
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:  # 0: up to the end of the file
            return False
        at += size
    return at > len(data)
