"""Grey deeper than 8 bits has one scale for all images, which is fixed by the format or stated."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from sivae_translate.data.images import UnreadableImage, read_image, to_rgb

SIDE = 24
RAMP16 = np.linspace(0, 65535, SIDE * SIDE).reshape(SIDE, SIDE)


def write(folder: Path, values: np.ndarray, kind: str = "TIFF") -> Path:
    Image.fromarray(values).save(folder / "x", kind)
    return folder / "x"


def tiff(folder: Path, values: np.ndarray, **options: object) -> Path:
    """A file of a kind that Pillow cannot write."""
    tifffile.imwrite(folder / "x.tif", values, **{"photometric": "minisblack", **options})
    return folder / "x.tif"


def grey(path: Path, white: float | None = None) -> list[int]:
    """The levels of a grey image, row by row."""
    read = read_image(path, white=white)
    assert (read == read[..., :1]).all()
    levels: list[int] = read[..., 0].ravel().tolist()
    return levels


DEEP: dict[str, tuple[np.ndarray, str, float | None, np.ndarray]] = {
    "16-bit PNG": (RAMP16.astype(np.uint16), "PNG", None, RAMP16 / 257),
    "16-bit PNG, dark": ((RAMP16 / 100).astype(np.uint16), "PNG", None, RAMP16 / 25700),
    "16-bit TIFF": (RAMP16.astype(np.uint16), "TIFF", None, RAMP16 / 257),
    "16-bit TIFF of a set with floats": (RAMP16.astype(np.uint16), "TIFF", 1.0, RAMP16 / 257),
    "32-bit TIFF of 8 bits": ((RAMP16 / 257).astype(np.int32), "TIFF", 255, RAMP16 / 257),
    "32-bit TIFF of 16 bits": (RAMP16.astype(np.int32), "TIFF", 65535, RAMP16 / 257),
    "32-bit TIFF, dark": (RAMP16.astype(np.int32), "TIFF", 6553500, RAMP16 / 25700),
    "float TIFF in 0..1": ((RAMP16 / 65535).astype(np.float32), "TIFF", None, RAMP16 / 257),
    "float TIFF in 0..0.5": ((RAMP16 / 131070).astype(np.float32), "TIFF", 1.0, RAMP16 / 514),
    "float TIFF in 0..255": ((RAMP16 / 257).astype(np.float32), "TIFF", 255, RAMP16 / 257),
    "float TIFF, large": ((RAMP16 * 1e30).astype(np.float32), "TIFF", 65535e30, RAMP16 / 257),
}


@pytest.mark.parametrize("case", DEEP)
def test_deep_grey_is_scaled_not_clipped(case: str, tmp_path: Path) -> None:
    values, kind, white, expected = DEEP[case]
    read = read_image(write(tmp_path, values, kind), white=white)
    assert read.shape == (SIDE, SIDE, 3)
    assert (read == read[..., :1]).all()
    assert np.abs(read[..., 0] - expected).max() <= 1.01
    assert abs(read.mean() - expected.mean()) <= 0.6


@pytest.mark.parametrize("maximum", [0.5, 1.0, 1.001, 1.01])
def test_the_maximum_of_a_float_image_does_not_change_its_scale(maximum: float, tmp_path: Path) -> None:
    values = np.array([[0, 0.25, 0.5, maximum]], np.float32)
    assert grey(write(tmp_path, values)) == [0, 64, 128, min(255, round(255 * maximum))]


@pytest.mark.parametrize("maximum", [255, 256, 257])
def test_the_maximum_of_a_32_bit_image_does_not_change_its_scale(maximum: int, tmp_path: Path) -> None:
    values = np.array([[0, 128, maximum]], np.int32)
    assert grey(write(tmp_path, values), white=255) == [0, 128, 255]


def test_little_noise_outside_the_range_is_clipped(tmp_path: Path) -> None:
    assert grey(write(tmp_path, np.array([[-0.009, 1.009]], np.float32))) == [0, 255]


REFUSED: dict[str, tuple[np.ndarray, float | None, str]] = {
    "above white": (np.array([[0, 1.5]], np.float32), None, r"up to 1\.5.*white.* 1:.*data\.white=255$"),
    "integers above white": (np.array([[0, 300]], np.int32), 255, r"up to 300.* 255:.*data\.white=65535$"),
    "above any full scale": (np.array([[0, 1e12]], np.float32), None, r"data\.white=9\.99\d*e\+11$"),
    "negative": (np.array([[-0.5, 1]], np.float32), None, r"negative.*-0\.5"),
    "NaN": (np.array([[np.nan, 1]], np.float32), None, "NaN"),
    "infinite": (np.array([[0, np.inf]], np.float32), None, "infinite"),
    "NaN alone": (np.array([[np.nan]], np.float32), 255, "NaN"),
    "integers of unknown white": (np.array([[0, 255]], np.int32), None, r"8 or 16 bits.*data\.white"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_scaled_is_unreadable_with_a_fix(case: str, tmp_path: Path) -> None:
    values, white, reason = REFUSED[case]
    with pytest.raises(UnreadableImage, match=reason):
        read_image(write(tmp_path, values), white=white)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_values_are_right_in_either_byte_order(order: str, compression: str | None, tmp_path: Path) -> None:
    for values, white in (
        (np.array([[0, 257 * 7, 65535]], np.uint16), None),
        (np.array([[0, 0.02745, 1]], np.float32), None),
        (np.array([[0, 7, 255]], np.int32), 255),
        (np.array([[0, 7, 255]], np.int16), 255),
    ):
        path = tiff(tmp_path, values, byteorder=order, compression=compression)
        assert grey(path, white) == [0, 7, 255]


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_unsigned_32_bits_do_not_wrap(compression: str | None, tmp_path: Path) -> None:
    values = np.array([[0, 1 << 31, (1 << 32) - 1]], np.uint32)
    assert grey(tiff(tmp_path, values, compression=compression), (1 << 32) - 1) == [0, 128, 255]


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("values", [[0, 65535, 257 * 7], [0, 1.0, 7 / 255]])
def test_white_can_be_stored_as_zero(values: list[float], compression: str | None, tmp_path: Path) -> None:
    array = np.array([values], np.uint16 if values[1] > 1 else np.float32)
    assert grey(tiff(tmp_path, array, photometric="miniswhite", compression=compression)) == [255, 0, 248]


def test_12_bits_have_their_own_white(tmp_path: Path) -> None:
    tags = [(256, 4), (257, 1), (258, 12), (259, 1), (262, 1), (273, 110), (277, 1), (278, 1)]
    entries = b"".join(np.array([tag, 3, 1, 0, value, 0], "<u2").tobytes() for tag, value in tags)
    packed = bytes([0xFF, 0xF0, 0x00, 0x80, 0x07, 0xFF])  # 4095, 0, 2048, 2047
    (tmp_path / "x.tif").write_bytes(b"II*\0\x08\0\0\0\x08\0" + entries + bytes(4) + packed)
    assert grey(tmp_path / "x.tif") == [255, 0, 128, 127]


def test_signed_bytes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="unsigned 8 bits"):
        read_image(tiff(tmp_path, np.array([[0, -1]], np.int8)))


def test_the_other_byte_order_of_16_bits_in_memory() -> None:
    big_endian = Image.frombytes("I;16B", (SIDE, SIDE), RAMP16.astype(">u2").tobytes())
    assert np.abs(to_rgb(big_endian)[..., 0] - RAMP16 / 257).max() <= 1


def test_a_profile_for_another_mode_leaves_deep_grey_alone(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = io.BytesIO()
    Image.fromarray(RAMP16.astype(np.uint16)).save(data, "PNG", icc_profile=profile)
    (tmp_path / "x").write_bytes(data.getvalue())
    assert np.abs(read_image(tmp_path / "x")[..., 0] - RAMP16 / 257).max() <= 1
