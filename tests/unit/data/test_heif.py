"""HEIC files are read where pillow-heif is installed; where it is not, each is named with the fix."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from sivae_translate.data import heif
from sivae_translate.data.alpha import read_alpha
from sivae_translate.data.heif import is_avif, is_heif
from sivae_translate.data.images import UnreadableImage, is_image, open_image, read_image
from sivae_translate.data.listing import kinds, list_folder

FIX = r"pip install 'sivae-translate\[heif\]'"


def ftyp(*brands: bytes) -> bytes:
    body = brands[0] + bytes(4) + b"".join(brands[1:])
    return (8 + len(body)).to_bytes(4, "big") + b"ftyp" + body + b"\0\0\0\x08free" * 4


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (ftyp(b"heic", b"mif1"), "heif"),
        (ftyp(b"mif1", b"mif1", b"heic"), "heif"),
        (ftyp(b"msf1"), "heif"),
        (ftyp(b"mif1", b"avif"), "avif"),
        (ftyp(b"avif", b"mif1"), "avif"),
        (ftyp(b"isom", b"mp42"), ""),
        (b"\x00\x00\x00\x18ftyp", ""),
        (b"", ""),
    ],
)
def test_files_are_told_by_their_brands(start: bytes, expected: str) -> None:
    assert (is_heif(start), is_avif(start)) == (expected == "heif", expected == "avif")


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if pillow-heif were not installed."""
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    heif.why_no_heif.cache_clear()
    yield
    heif.why_no_heif.cache_clear()


@pytest.mark.usefixtures("missing")
def test_a_missing_package_is_named_for_each_file(tmp_path: Path) -> None:
    for name in ("a.heic", "b.HEIF", "c.hif"):
        (tmp_path / name).write_bytes(ftyp(b"heic"))
    (tmp_path / "phone.jpg").write_bytes(ftyp(b"heic"))
    listing = list_folder(tmp_path)
    assert [path.name for path in listing.images] == ["phone.jpg"]
    assert [each.path.name for each in listing.lost] == ["a.heic", "b.HEIF", "c.hif"]
    for each in listing.lost:
        assert "[heif]" in each.reason
    assert "[heif]" in kinds(listing.left_out)
    with pytest.raises(UnreadableImage, match=FIX):
        read_image(tmp_path / "phone.jpg")


def saved(path: Path, picture: Image.Image, **options: Any) -> Path:
    """A HEIC file; the package's own writing registers nothing with Pillow."""
    package = pytest.importorskip("pillow_heif")
    package.from_pillow(picture).save(path, quality=90, **options)
    return path


@pytest.fixture
def picture() -> Image.Image:
    x, y = np.meshgrid(np.linspace(0, 255, 128), np.linspace(0, 255, 64))
    return Image.fromarray(np.stack([x, y, 255 - x], 2).astype(np.uint8))


def test_pixels_and_transparency_are_read(tmp_path: Path, picture: Image.Image) -> None:
    path = saved(tmp_path / "a.heic", picture)
    assert list_folder(tmp_path).images == [path] and is_image(path)
    assert abs(read_image(path, min_side=8).astype(int) - np.asarray(picture)).mean() < 4
    assert "HEIF" not in Image.OPEN  # the process-wide registry
    assert read_alpha(path) is None
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    alpha = read_alpha(saved(tmp_path / "b.heic", picture))
    assert alpha is not None and abs(alpha.astype(int) - np.asarray(picture)[:, :, 3]).mean() < 4


def test_a_picture_on_its_side_is_upright(tmp_path: Path, picture: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x112] = 6
    picture.info["exif"] = exif.tobytes()
    pixels = read_image(saved(tmp_path / "a.heic", picture, exif=exif.tobytes()))
    assert pixels.shape in ((128, 64, 3), (64, 128, 3))  # older packages write no rotation that counts
    if pixels.shape == (128, 64, 3):
        assert abs(pixels.astype(int) - np.rot90(np.asarray(picture), -1)).mean() < 4


@pytest.mark.parametrize("load_truncated", [False, True])
def test_damaged_files_are_refused(
    tmp_path: Path, picture: Image.Image, load_truncated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", load_truncated)
    data = saved(tmp_path / "a.heic", picture).read_bytes()
    for length in (30, 200, len(data) // 2, len(data) - 5):
        (tmp_path / "cut.heic").write_bytes(data[:length])
        with pytest.raises(UnreadableImage, match=r"^truncated"):
            read_image(tmp_path / "cut.heic")
    at = data.index(b"ispe") + 8
    for side in (60_000, 20_000):
        huge = data[:at] + 2 * side.to_bytes(4, "big") + data[at + 8 :]
        (tmp_path / "huge.heic").write_bytes(huge)
        with pytest.raises(UnreadableImage):
            read_image(tmp_path / "huge.heic")
    with pytest.raises(UnreadableImage, match="megapixels"):
        open_image(tmp_path / "huge.heic")
