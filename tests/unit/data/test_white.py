"""The white of a data set holds all of its float and 32-bit images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from sivae_translate.data import images
from sivae_translate.data.domains import Source
from sivae_translate.data.white import white_of


def sources(folder: Path, *contents: np.ndarray) -> list[Source]:
    for number, values in enumerate(contents):
        Image.fromarray(values).save(folder / f"{number}.tif")
    return [Source(folder / f"{number}.tif") for number in range(len(contents))]


def floats(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


def integers(*values: int) -> np.ndarray:
    return np.array([values], np.int32)


@pytest.mark.parametrize(
    ("contents", "white"),
    [
        ([floats(0, 0.2)], 1),
        ([floats(0, 1.005)], 1),
        ([floats(0, 1.0), floats(0, 1.02)], 255),
        ([integers(0, 255)], 255),
        ([integers(0, 256)], 255),
        ([integers(0, 300), integers(0, 2)], 65535),
        ([integers(0, 65535), floats(0, 70000)], 4294967295),
        ([floats(0, 200), floats(-1000, 70000)], 255),
        ([floats(0, 200), floats(0, float("nan"), 70000), floats(0, float("inf"))], 255),
        ([floats(0, 200), floats(0, 1e30)], 255),
        ([floats(-0.001, 1)], 1),
        ([floats(float("nan"))], None),
        ([floats(0, 0)], 1),
    ],
)
def test_it_is_the_smallest_full_scale_that_holds_them_all(
    contents: list[np.ndarray], white: float | None, tmp_path: Path
) -> None:
    assert white_of(sources(tmp_path, *contents)) == white


def test_other_images_have_no_say_and_are_not_decoded(tmp_path: Path) -> None:
    found = sources(tmp_path, np.zeros((2, 2), np.uint8), np.full((2, 2), 60000, np.uint16), floats(0, 0.5))
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    (tmp_path / "b.tif").write_bytes(b"II*\0 and nothing more")
    found += [Source(tmp_path / name) for name in ("a.png", "b.tif", "none.tif")]
    found.append(Source(tmp_path / "views.mat", 3))
    assert white_of(found) == 1
    assert white_of(found[:2] + found[3:]) is None
    assert white_of([]) is None


def test_one_value_that_is_not_finite_takes_the_say_from_the_whole_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "BAND", 1)
    values = np.array([[0, 60000], [float("nan"), 0]], np.float32)
    assert white_of(sources(tmp_path, values, floats(0, 1))) == 1


def test_unsigned_values_count_as_such(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", np.array([[0, (1 << 32) - 1]], np.uint32), photometric="minisblack")
    assert white_of([Source(tmp_path / "x.tif")]) == 4294967295


def test_of_a_large_set_only_files_that_may_be_tiff_by_name_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = sources(tmp_path, floats(0, 0.5), floats(0, 200), floats(0, 3e4))
    renamed = [found[0], Source(found[1].path.rename(tmp_path / "1")), Source(found[2].path.rename(tmp_path / "2.png"))]
    assert white_of(renamed) == 65535
    monkeypatch.setattr("sivae_translate.data.white.MOST_IMAGES", 2)
    assert white_of(renamed) == 255
