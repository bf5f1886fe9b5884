"""A PNG file is read where its pixels are sound, whatever else it holds, and refused where pixels are missing."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from sivae_translate.data import png
from sivae_translate.data.images import UnreadableImage, open_image, read_image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
BACKGROUND = (10, 20, 30)
PICTURE = np.random.default_rng(0).integers(1, 256, (64, 80, 3), dtype=np.uint8)
END = b"\0\0\0\0IEND\xaeB`\x82"


def chunk(name: bytes, body: bytes, damage: int = 0) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body) ^ damage)


def file(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes, interlace: int = 0) -> bytes:
    """A PNG file of packed rows with their filter bytes."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return SIGNATURE + chunk(b"IHDR", header) + b"".join(extra) + chunk(b"IDAT", zlib.compress(rows)) + END


def picture() -> bytes:
    data = io.BytesIO()
    Image.fromarray(PICTURE).save(data, "PNG")
    return data.getvalue()


WHOLE = picture()
FIRST = 33  # bytes before the second chunk


def with_chunks(*chunks: bytes) -> bytes:
    return WHOLE[:FIRST] + b"".join(chunks) + WHOLE[FIRST:]


def read(folder: Path, data: bytes) -> np.ndarray:
    (folder / "x.png").write_bytes(data)
    return read_image(folder / "x.png", background=BACKGROUND)


def refused(folder: Path, data: bytes) -> str:
    with pytest.raises(UnreadableImage) as error:
        read(folder, data)
    return str(error.value)


TEXT = b"a" * (2 << 20)
SOUND = {
    "text of 2 MB": with_chunks(chunk(b"tEXt", b"Comment\0" + TEXT)),
    "compressed text of 2 MB": with_chunks(chunk(b"zTXt", b"Comment\0\0" + zlib.compress(TEXT))),
    "international text of 2 MB": with_chunks(chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(TEXT))),
    "100 texts of 1 MB": with_chunks(*[chunk(b"zTXt", b"Comment\0\0" + zlib.compress(TEXT[: 1 << 20]))] * 100),
    "text of an unknown compression": with_chunks(chunk(b"zTXt", b"Comment\0\7abc")),
    "a malformed profile": with_chunks(chunk(b"iCCP", b"name\0\0not compressed")),
    "a profile without a name": with_chunks(chunk(b"iCCP", b"")),
    "a profile too large to keep": with_chunks(chunk(b"iCCP", b"name\0\0" + zlib.compress(bytes(20 << 20)))),
    "a short gamma": with_chunks(chunk(b"gAMA", b"\0")),
    "a wrong checksum in a date": with_chunks(chunk(b"tIME", bytes(7), damage=1)),
    "a wrong checksum in a text after the pixels": WHOLE[:-12] + chunk(b"tEXt", b"a\0b", damage=1) + END,
    "no end": WHOLE[:-12],
    "a cut end": WHOLE[:-3],
    "a cut text after the pixels": WHOLE[:-12] + chunk(b"tEXt", b"a\0bcdef")[:-6],
    "garbage after the pixels": WHOLE[:-12] + bytes(100),
    "garbage after the end": WHOLE + b"\xff" * 100,
    "a wrong checksum in an orientation": with_chunks(
        chunk(b"eXIf", b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0", damage=1)
    ),
    "an unknown ancillary chunk": with_chunks(chunk(b"abCd", b"anything")),
}


@pytest.mark.parametrize("case", SOUND)
def test_sound_pixels_are_read(case: str, tmp_path: Path) -> None:
    assert (read(tmp_path, SOUND[case]) == PICTURE).all()


UNSOUND = {
    "a wrong checksum in the header": (WHOLE[:29] + b"\0\0\0\0" + WHOLE[33:], "checksum"),
    "a wrong checksum in transparency": (with_chunks(chunk(b"tRNS", bytes(6), damage=1)), "checksum"),
    "an unknown critical chunk": (with_chunks(chunk(b"ABCD", b"anything")), "critical"),
    "no pixels": (WHOLE[:FIRST] + END, "truncated"),
    "no header": (SIGNATURE + WHOLE[FIRST:], "header"),
    "damaged chunks before the pixels": (WHOLE[:FIRST] + bytes(100) + WHOLE[FIRST:], "damaged"),
    "a cut text before the pixels": (with_chunks(chunk(b"tEXt", bytes(99)))[:90], "truncated"),
}


@pytest.mark.parametrize("case", UNSOUND)
def test_pixels_that_may_be_wrong_are_refused(case: str, tmp_path: Path) -> None:
    data, reason = UNSOUND[case]
    assert reason in refused(tmp_path, data)


def rows(count: int, width: int = 80, value: int = 200) -> bytes:
    return (b"\0" + bytes([value]) * 3 * width) * count


@pytest.mark.parametrize("present", [1, 20, 63])
def test_pixel_data_that_ends_too_early_is_refused(present: int, tmp_path: Path) -> None:
    assert refused(tmp_path, file(80, 64, 8, 2, rows(present))) == "truncated"
    assert refused(tmp_path, file(80, 64, 8, 2, rows(present)[:-5])) == "truncated"
    stream = zlib.compress(rows(present)) + zlib.compress(rows(64 - present))  # ends in the middle of the chunk
    two = SIGNATURE + WHOLE[8:FIRST] + chunk(b"IDAT", stream) + END
    assert refused(tmp_path, two) == "truncated"


def test_black_rows_at_the_bottom_are_read(tmp_path: Path) -> None:
    black = file(80, 64, 8, 2, rows(20) + rows(44, value=0))
    assert read(tmp_path, black).mean() == pytest.approx(200 * 20 / 64)
    in_pieces = black[:FIRST] + b"".join(
        chunk(b"IDAT", zlib.compress(rows(20) + rows(44, value=0))[i : i + 7]) for i in range(0, 200, 7)
    )
    assert read(tmp_path, in_pieces + END).mean() == pytest.approx(200 * 20 / 64)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (8, 8), (13, 5)])
def test_an_interlaced_image_needs_all_its_passes(size: tuple[int, int], tmp_path: Path) -> None:
    width, height = size
    starts = [(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1)]
    shape = [(len(range(first, width, step)), len(range(top, height, down))) for top, down, first, step in starts]
    passes = [rows(down, across, 9) for across, down in shape if across and down]
    data = b"".join(passes)
    assert (read(tmp_path, file(width, height, 8, 2, data, interlace=1)) == 9).all()
    assert refused(tmp_path, file(width, height, 8, 2, data[:-1], interlace=1)) == "truncated"
    assert refused(tmp_path, file(width, height, 8, 2, b"".join(passes[:-1]), interlace=1)) == "truncated"


@pytest.mark.parametrize(("depth", "colour"), [(1, 0), (2, 0), (4, 3), (8, 4), (16, 2), (16, 6)])
def test_the_size_of_the_pixel_data_follows_from_the_header(depth: int, colour: int, tmp_path: Path) -> None:
    size = -(-13 * depth * {0: 1, 3: 1, 4: 2, 2: 3, 6: 4}[colour] // 8)
    palette = chunk(b"PLTE", bytes([5] * 48))
    data = (b"\0" + bytes(size)) * 5
    assert read(tmp_path, file(13, 5, depth, colour, data, palette)).shape == (5, 13, 3)
    assert refused(tmp_path, file(13, 5, depth, colour, data[:-1], palette)) == "truncated"


def profile_of(size: int) -> bytes:
    """An sRGB profile with red and green exchanged, and `size` bytes after it that nothing refers to."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    at = {bytes(profile[i : i + 4]): i for i in range(132, 132 + 12 * struct.unpack(">I", profile[128:132])[0], 12)}
    red, green = (struct.unpack_from(">II", profile, at[tag] + 4) for tag in (b"rXYZ", b"gXYZ"))
    struct.pack_into(">II", profile, at[b"rXYZ"] + 4, *green)
    struct.pack_into(">II", profile, at[b"gXYZ"] + 4, *red)
    profile += bytes(size)
    struct.pack_into(">I", profile, 0, len(profile))
    return bytes(profile)


@pytest.mark.parametrize("size", [0, 3 << 20])
def test_a_profile_is_applied_whatever_its_size(size: int, tmp_path: Path) -> None:
    profile = chunk(b"iCCP", b"name\0\0" + zlib.compress(profile_of(size)))
    swapped = read(tmp_path, file(1, 1, 8, 2, b"\0\xdc\x28\x46", profile))
    assert np.abs(swapped[0, 0].astype(int) - (40, 220, 70)).max() <= 3


def big_endian(*values: int) -> bytes:
    return struct.pack(f">{len(values)}H", *values)


def test_transparent_values_count_in_the_depth_of_the_file(tmp_path: Path) -> None:
    on = list(BACKGROUND)
    grey = [[value] * 3 for value in range(256)]
    key = [chunk(b"tRNS", big_endian(value)) for value in range(9)]
    assert read(tmp_path, file(2, 1, 1, 0, b"\0\x40", key[1])).tolist() == [[grey[0], on]]
    assert read(tmp_path, file(4, 1, 2, 0, b"\0\x1b", key[2])).tolist() == [[grey[0], grey[85], on, grey[255]]]
    assert read(tmp_path, file(2, 1, 4, 0, b"\0\x5f", key[5])).tolist() == [[on, grey[255]]]
    assert read(tmp_path, file(2, 1, 8, 0, b"\0\7\x08", key[8])).tolist() == [[grey[7], on]]
    deep = file(2, 1, 16, 0, b"\0" + big_endian(257 * 7, 258), chunk(b"tRNS", big_endian(258)))
    assert read(tmp_path, deep).tolist() == [[grey[7], on]]
    colours = big_endian(0x0700, 0x0834, 0x09FF)
    deep = file(2, 1, 16, 2, b"\0" + big_endian(65535, 0, 0) + colours, chunk(b"tRNS", colours))
    assert read(tmp_path, deep).tolist() == [[[255, 0, 0], on]]


def test_deep_channels_with_alpha(tmp_path: Path) -> None:
    grey = b"\0" + big_endian(257 * 7, 65535, 9, 0)
    assert read(tmp_path, file(2, 1, 16, 4, grey)).tolist() == [[[7] * 3, list(BACKGROUND)]]
    colour = b"\0" + big_endian(257 * 7, 257 * 8, 257 * 9, 65535, 9, 9, 9, 0)
    assert read(tmp_path, file(2, 1, 16, 6, colour)).tolist() == [[[7, 8, 9], list(BACKGROUND)]]


EXIF = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"  # orientation 6
XMP = b'XML:com.adobe.xmp\0%s\0\0<x:xmpmeta tiff:Orientation="6"/>' + b" " * (2 << 20)
RAW = b"\nexif\n%8d\n" % len(EXIF) + (b"Exif\0\0" + EXIF).hex().encode()


@pytest.mark.parametrize(
    "stated",
    [
        chunk(b"eXIf", EXIF),
        chunk(b"iTXt", XMP % b"\0\0"),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress((XMP % b"\0\0")[22:])),
        chunk(b"tEXt", b"Raw profile type exif\0" + RAW),
        chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(RAW)),
    ],
)
def test_the_orientation_is_kept_wherever_it_stands(stated: bytes, tmp_path: Path) -> None:
    turned = np.rot90(PICTURE, -1)
    assert (read(tmp_path, with_chunks(stated)) == turned).all()
    assert (read(tmp_path, WHOLE[:-12] + stated + END) == turned).all()


def test_an_animation_is_told_and_a_single_frame_is_none(tmp_path: Path) -> None:
    for frames, animated in ((1, False), (2, True)):
        control = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 2, 2, 1, 1, 1, 10, 0, 0))  # a frame of 2x2 pixels
        data = with_chunks(chunk(b"acTL", struct.pack(">II", frames, 0)), control)
        assert (read(tmp_path, data) == PICTURE).all()
        assert open_image(tmp_path / "x.png").is_animated is animated  # type: ignore[attr-defined]


def test_only_an_image_that_may_lack_rows_is_inflated_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(chunks: png.Chunks) -> bool:
        raise AssertionError

    monkeypatch.setattr(png.Chunks, "has_every_row", never)
    assert (read(tmp_path, WHOLE) == PICTURE).all()
