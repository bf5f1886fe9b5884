"""TIFF files of several channels, against NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from sivae_translate.data.images import UnreadableImage, read_image

BACKGROUND = (10, 20, 30)
PICTURE = np.random.default_rng(0).integers(0, 256, (5, 7, 3))
ALPHA = np.where(np.arange(7) % 2, 255, 0) * np.ones((5, 1), int)
ON = np.where(ALPHA[..., None] > 0, PICTURE, BACKGROUND)


def read(folder: Path, values: np.ndarray, **options: object) -> np.ndarray:
    tifffile.imwrite(folder / "x.tif", values, **options)
    return read_image(folder / "x.tif", background=BACKGROUND)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("kind", "unit"), [(np.uint8, 1), (np.uint16, 257)])
def test_colour_with_and_without_alpha(
    kind: type[np.generic], unit: int, order: str, compression: str | None, tmp_path: Path
) -> None:
    options = {"photometric": "rgb", "byteorder": order, "compression": compression}
    colour = (PICTURE * unit).astype(kind)
    assert (read(tmp_path, colour, **options) == PICTURE).all()
    both = np.dstack([colour, (ALPHA * unit).astype(kind)])
    assert (read(tmp_path, both, extrasamples=["unassalpha"], **options) == ON).all()


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("kind", "unit"), [(np.uint8, 1), (np.uint16, 257)])
def test_channels_in_separate_planes(
    kind: type[np.generic], unit: int, order: str, compression: str | None, tmp_path: Path
) -> None:
    planes = np.ascontiguousarray((PICTURE * unit).astype(kind).transpose(2, 0, 1))
    options = {"photometric": "rgb", "planarconfig": "separate", "byteorder": order, "compression": compression}
    assert (read(tmp_path, planes, **options) == PICTURE).all()


def test_one_channel_has_no_separate_planes(tmp_path: Path) -> None:
    values = (PICTURE[None, ..., 0] * 257).astype(np.uint16)
    tifffile.imwrite(tmp_path / "x.tif", values[0], photometric="minisblack")
    data = bytearray((tmp_path / "x.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "x.tif") as file:
        at = file.pages[0].tags[277].offset
    data[at : at + 12] = np.array([284, 3, 1, 0, 2, 0], "<u2").tobytes()  # one sample is the default
    (tmp_path / "x.tif").write_bytes(data)
    assert (read_image(tmp_path / "x.tif")[..., 0] == PICTURE[..., 0]).all()


@pytest.mark.parametrize("values", [np.zeros((2, 2, 3), np.float32), np.zeros((2, 2), np.float64)])
def test_pixels_that_pillow_does_not_read_are_refused_with_a_fix(values: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="convert the image to unsigned 8 bits"):
        read(tmp_path, values, photometric="rgb" if values.ndim == 3 else "minisblack")


def test_grey_with_alpha(tmp_path: Path) -> None:
    both = np.dstack([PICTURE[..., 0], ALPHA]).astype(np.uint8)
    options = {"photometric": "minisblack", "extrasamples": ["unassalpha"], "planarconfig": "contig"}
    assert (read(tmp_path, both, **options) == np.where(ALPHA[..., None] > 0, PICTURE[..., :1], BACKGROUND)).all()
