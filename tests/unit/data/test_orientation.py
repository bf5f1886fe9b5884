"""The orientation is found where other metadata is malformed."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sivae_translate.data.images import open_image, read_image

PICTURE = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 10
TURNED = np.rot90(PICTURE, -1)

Entry = tuple[int, int, int, bytes]  # tag, type, count, value


def exif(*entries: Entry, order: str = "<", following: int = 0) -> bytes:
    """An EXIF block of one directory."""
    block = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(entries))
    for tag, kind, count, value in entries:
        block += struct.pack(order + "HHI", tag, kind, count) + value.ljust(4, b"\0")
    return block + struct.pack(order + "I", following)


SIX: Entry = (0x112, 3, 1, b"\6\0")
MAKER, FURTHER = 0x10F, 0x8769
READ = {
    "a short": exif(SIX),
    "big-endian": exif((0x112, 3, 1, b"\0\6"), order=">"),
    "a byte": exif((0x112, 1, 1, b"\6")),
    "a long": exif((0x112, 4, 1, b"\6")),
    "two values": exif((0x112, 3, 2, b"\6\0\6\0")),
    "a next directory beyond the end": exif(SIX, following=0xFFFFFFFF),
    "a text beyond the end": exif((MAKER, 2, 4000000, b"\xff" * 4), SIX),
    "an unknown type": exif((MAKER, 99, 1, b""), SIX),
    "cut after it": exif(SIX, (FURTHER, 4, 1, b"\xff" * 4))[:-8],
    "two prefixes": b"Exif\0\0" + exif(SIX),
}
IGNORED = {
    "zero": exif((0x112, 3, 1, b"")),
    "nine": exif((0x112, 3, 1, b"\x09")),
    "a text": exif((0x112, 2, 2, b"6\0")),
    "nothing": exif(),
    "cut before it": exif(SIX)[:9],
    "no EXIF at all": b"anything",
}


@pytest.mark.filterwarnings("ignore:Corrupt EXIF", "ignore:Metadata Warning", "ignore:Tag data larger")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("case", [*READ, *IGNORED])
def test_malformed_exif(case: str, kind: str, tmp_path: Path) -> None:
    data = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    block = b"Exif\0\0" + {**READ, **IGNORED}[case]
    Image.fromarray(PICTURE).save(data, kind, exif=block, **options)
    (tmp_path / "x").write_bytes(data.getvalue())
    read = read_image(tmp_path / "x")
    expected = TURNED if case in READ else PICTURE
    assert read.shape == expected.shape
    if kind != "JPEG":
        assert (read == expected).all()


@pytest.mark.filterwarnings("ignore:Tag data larger")
@pytest.mark.parametrize("kind", [1, 3, 4])
def test_a_tiff_file_is_upright_although_its_metadata_is_malformed(kind: int, tmp_path: Path) -> None:
    tags = [(256, 3, 1, 3), (257, 3, 1, 2), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    tags += [(273, 4, 1, 158), (274, kind, 1, 6), (277, 3, 1, 1), (278, 3, 1, 2), (279, 4, 1, 6)]
    tags += [(33432, 2, 5000000, 77), (34665, 4, 1, 0xFFFFFF)]  # a text and a directory beyond the end
    file = b"II*\0" + struct.pack("<IH", 8, len(tags))
    file += b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    (tmp_path / "x").write_bytes(file + bytes(range(6)))
    assert read_image(tmp_path / "x")[..., 0].tolist() == [[3, 0], [4, 1], [5, 2]]
    image = open_image(tmp_path / "x")
    image.load()
    assert image.size == image.im.size == (3, 2)  # not turned in a second copy in Pillow
