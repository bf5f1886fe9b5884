"""The transparency of files of any mode, upright."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sivae_translate.data.alpha import read_alpha
from sivae_translate.data.sized import read_sized

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_an_alpha_channel_is_read(mode: str, tmp_path: Path) -> None:
    picture = Image.new(mode, (4, 3))
    picture.putalpha(Image.fromarray(GREY))
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_alpha(tmp_path / "a.png"), GREY)


def test_a_transparent_colour_of_a_palette_counts(tmp_path: Path) -> None:
    picture = Image.new("P", (4, 3))
    picture.putpixel((1, 2), 1)
    picture.save(tmp_path / "a.gif", transparency=1)
    alpha = read_alpha(tmp_path / "a.gif")
    assert alpha is not None and alpha[2, 1] == 0 and alpha.sum() == 11 * 255


def test_a_transparent_value_of_deep_grey_counts(tmp_path: Path) -> None:
    Image.fromarray(GREY.astype(np.uint16) * 257).save(tmp_path / "a.png", transparency=20 * 257)
    np.testing.assert_array_equal(read_alpha(tmp_path / "a.png"), np.where(GREY == 20, 0, 255))


def test_it_is_turned_with_the_picture(tmp_path: Path) -> None:
    picture, exif = Image.new("RGBA", (4, 3)), Image.Exif()
    picture.putalpha(Image.fromarray(GREY))
    exif[0x112] = 6
    picture.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_alpha(tmp_path / "a.png"), np.rot90(GREY, -1))


def test_an_opaque_image_has_none(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.png")
    assert read_alpha(tmp_path / "a.png") is None


@pytest.mark.parametrize("turned", [1, 6])
def test_the_size_is_that_of_the_file_upright_though_fewer_pixels_are_read(turned: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x112] = turned
    Image.new("RGB", (640, 400)).save(tmp_path / "a.jpg", exif=exif)
    pixels, size = read_sized(tmp_path / "a.jpg", lambda size: min(size) // 4, background=(0, 0, 0), white=None)
    assert size == ((640, 400) if turned == 1 else (400, 640))
    assert pixels.shape[:2] == (size[1] // 4, size[0] // 4)
