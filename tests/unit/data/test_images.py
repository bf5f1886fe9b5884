"""An image file gives the right pixels, or a reason why it is unreadable."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile

from sivae_translate.data import images
from sivae_translate.data.images import (
    BACKGROUND,
    FITS,
    MAX_PIXELS,
    UnreadableImage,
    fit,
    open_image,
    read_image,
    to_rgb,
)
from sivae_translate.errors import UsageError

SIDE = 24
ORIENTATION = 0x0112


@pytest.fixture(autouse=True)
def nothing_process_wide_changes() -> Iterator[None]:
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
    yield
    assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)) == before


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def smooth(height: int, width: int) -> np.ndarray:
    """A gradient along both axes, which differs in every quarter and which lossy formats keep."""
    y, x = np.mgrid[0:height, 0:width]
    ramps = np.stack([x * 255 / (width - 1), y * 255 / (height - 1), np.full((height, width), 60)], axis=-1)
    return ramps.astype(np.uint8)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_header_only(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def flipped_in_idat(png: bytes, offset: int) -> bytes:
    where = png.index(b"IDAT") + 4 + offset
    return png[:where] + bytes([png[where] ^ 0x10]) + png[where + 1 :]


def gif_frame_beyond_its_screen(width: int, height: int) -> bytes:
    gif = bytearray(encoded(Image.new("L", (8, 8)), "GIF"))
    struct.pack_into("<HH", gif, gif.index(b",\0\0\0\0\x08\0\x08\0") + 5, width, height)
    return bytes(gif)


def write(folder: Path, data: bytes, name: str = "x.png") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


# --- unreadable files ---


PNG = encoded(Image.fromarray(smooth(64, 80)), "PNG")
JPEG = encoded(Image.fromarray(noise(64, 80, 3)), "JPEG")

MALFORMED = {
    "zero bytes": (b"", "empty"),
    "text": (b"hello, this is no image\n", "text"),
    "html": ("<!doctype html><p>not fö\ufb01nd</p>".encode(), "text"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "text"),
    "text that begins as a BMP": (b"BMW is a make of car", "text"),
    "lfs pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n", "git-lfs pointer"),
    "other binary": (b"PK\x03\x04" + bytes(60), "JPEG"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n\x00", "JPEG"),
    "png cut in the pixels": (PNG[: len(PNG) // 2], "truncated"),
    "png cut in the header": (PNG[:20], "truncated"),
    "png cut in its last pixels": (PNG[:-17], "truncated"),
    "png bomb": (png_header_only(60000, 60000), "export SIVAE_MAX_MEGAPIXELS=4000"),
    "png a little too large": (png_header_only(15812, 15812), "export SIVAE_MAX_MEGAPIXELS=500"),
    "gif bomb": (gif_frame_beyond_its_screen(60000, 60000), "pixels"),
    "png with too little data": (png_header_only(80, 64), "truncated"),
    "jpeg cut in the pixels": (JPEG[: len(JPEG) // 2], "truncated"),
    "jpeg cut in the header": (JPEG[:100], "truncated"),
    "webp cut": (encoded(Image.fromarray(noise(64, 80, 3)), "WEBP")[:1000], "truncated"),
    "gif cut": (encoded(Image.fromarray(noise(64, 80, 3)), "GIF")[:1000], "truncated"),
    "bmp cut": (encoded(Image.fromarray(noise(64, 80, 3)), "BMP")[:1000], "truncated"),
    "bmp cut in the header": (encoded(Image.fromarray(noise(64, 80, 3)), "BMP")[:12], "truncated"),
    "tiff cut": (encoded(Image.fromarray(noise(64, 80, 3)), "TIFF")[:1000], "truncated"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_file_is_unreadable_with_a_reason_of_one_line(case: str, tmp_path: Path) -> None:
    data, reason = MALFORMED[case]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(UnreadableImage) as error:
            read_image(write(tmp_path, data))
    assert reason in str(error.value)
    assert str(tmp_path) not in str(error.value) and "\n" not in str(error.value)
    assert not [w for w in caught if issubclass(w.category, Image.DecompressionBombWarning)]


CUT = {
    "JPEG": [{}, {"progressive": True}],
    "PNG": [{}],
    "WEBP": [{}, {"lossless": True}],
    "BMP": [{}],
    "TIFF": [{"compression": name} for name in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")],
    "GIF": [{}],
    "AVIF": [{}],
}


@pytest.mark.filterwarnings("ignore:Truncated File Read", "ignore:Corrupt EXIF data")
@pytest.mark.parametrize(("kind", "options"), [(kind, options) for kind in CUT for options in CUT[kind]])
def test_a_file_cut_anywhere_is_unreadable_or_whole(kind: str, options: dict[str, Any], tmp_path: Path) -> None:
    if kind == "AVIF" and kind not in Image.registered_extensions().values():
        pytest.skip("this Pillow knows no AVIF")
    data = encoded(Image.fromarray(np.maximum(smooth(64, 80), noise(64, 80, 3) // 4)), kind, **options)
    whole = read_image(write(tmp_path, data))
    cuts = [*range(30, len(data), len(data) // 25), *range(len(data) - 20, len(data))]
    for cut in cuts:
        try:
            read = read_image(write(tmp_path, data[:cut]))
        except UnreadableImage as error:
            assert str(error) == "truncated" or cut > 0.7 * len(data)  # lists at the end of a TIFF file
        else:
            assert cut >= len(data) - 12 and (read == whole).all()


@pytest.mark.parametrize("offset", range(0, 80, 4))
def test_one_flipped_byte_in_the_pixels_never_gives_other_pixels(offset: int, tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match=r"corrupt|truncated"):
        read_image(write(tmp_path, flipped_in_idat(PNG, offset)))


def test_some_flipped_bytes_would_pass_unnoticed_without_the_checksums() -> None:
    """Verifying the checksums is needed: Pillow decodes some flipped bytes to other pixels."""

    def decodes(data: bytes) -> bool:
        try:
            Image.open(io.BytesIO(data)).load()
        except (OSError, SyntaxError):
            return False
        return True

    assert any(decodes(flipped_in_idat(PNG, offset)) for offset in range(0, 80, 4))


def test_a_header_at_the_limit_of_pixels_is_read(tmp_path: Path) -> None:
    assert 15811 * 15811 <= MAX_PIXELS < 15812 * 15812
    assert open_image(write(tmp_path, png_header_only(15811, 15811))).size == (15811, 15811)


def test_the_limit_can_be_raised_and_lowered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    larger = write(tmp_path, png_header_only(15812, 15812))
    monkeypatch.setenv("SIVAE_MAX_MEGAPIXELS", "500")
    assert open_image(larger).size == (15812, 15812)
    monkeypatch.setenv("SIVAE_MAX_MEGAPIXELS", "0.001")
    with pytest.raises(UnreadableImage, match=r"SIVAE_MAX_MEGAPIXELS=0\.008$"):
        read_image(write(tmp_path, PNG))
    for nonsense in ("", "many", "-1", "nan"):
        monkeypatch.setenv("SIVAE_MAX_MEGAPIXELS", nonsense)
        assert read_image(write(tmp_path, PNG)).shape == (64, 80, 3)


def test_a_large_jpeg_counts_as_what_is_decoded_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a progressive one libjpeg holds the whole."""
    picture = Image.fromarray(smooth(480, 800))
    monkeypatch.setenv("SIVAE_MAX_MEGAPIXELS", "0.1")
    assert read_image(write(tmp_path, encoded(picture, "JPEG")), min_side=100).shape == (120, 200, 3)
    for data, min_side in ((encoded(picture, "JPEG"), None), (encoded(picture, "JPEG", progressive=True), 100)):
        with pytest.raises(UnreadableImage, match="megapixels"):
            read_image(write(tmp_path, data), min_side=min_side)


def test_the_pixel_cap_does_not_depend_on_the_settings_of_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(UnreadableImage, match="250 megapixels"):
        read_image(write(tmp_path, png_header_only(60000, 60000)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    monkeypatch.setattr(images, "BAND", 640)
    for kind in ("PNG", "TIFF", "JPEG", "BMP", "GIF"):
        assert read_image(write(tmp_path, encoded(Image.fromarray(smooth(64, 80)), kind))).shape == (64, 80, 3)
    monkeypatch.undo()


def test_a_huge_file_is_unreadable(tmp_path: Path) -> None:
    path = write(tmp_path, PNG)
    os.truncate(path, 5 << 30)  # sparse: takes no space on disk
    with pytest.raises(UnreadableImage, match="more than 1907 MiB"):
        read_image(path)


def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.png")
    with pytest.raises(UnreadableImage):  # a read that waits for a writer would never return
        read_image(tmp_path / "x.png")


def test_folders_missing_files_and_loops_of_links_are_unreadable(tmp_path: Path) -> None:
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    for name in ("", "no.png", "loop.png"):
        with pytest.raises(UnreadableImage):
            read_image(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_file_without_permission_is_unreadable(tmp_path: Path) -> None:
    path = write(tmp_path, PNG)
    path.chmod(0)
    with pytest.raises(UnreadableImage, match="permission"):
        read_image(path)


# --- formats and names ---


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF"])
@pytest.mark.parametrize("name", ["x.png", "X.JPG", "x.jfif", "x"])
def test_the_format_is_that_of_the_content(kind: str, name: str, tmp_path: Path) -> None:
    if kind == "AVIF" and kind not in Image.registered_extensions().values():
        pytest.skip("this Pillow knows no AVIF")
    picture = smooth(SIDE, 2 * SIDE)
    read = read_image(write(tmp_path, encoded(Image.fromarray(picture), kind), name))
    assert read.dtype == np.uint8 and read.shape == picture.shape
    assert np.abs(read.astype(int) - picture).mean() < 6


def test_a_format_that_is_not_on_the_list_is_unreadable_although_pillow_decodes_it(tmp_path: Path) -> None:
    data = encoded(Image.fromarray(noise(9, 9, 3)), "PPM")
    Image.open(io.BytesIO(data)).load()
    with pytest.raises(UnreadableImage):
        read_image(write(tmp_path, data))


@pytest.mark.parametrize(
    "name", ["a b.png", "-rf.png", "new\nline.png", "[red].png", "ö.png", os.fsdecode(b"\xff.png")]
)
def test_a_file_of_any_name_is_read(name: str, tmp_path: Path) -> None:
    assert read_image(write(tmp_path, PNG, name)).shape == (64, 80, 3)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_is_read(kind: str, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (SIDE, SIDE), colour) for colour in ("#f00", "#0f0", "#00f")]
    options = {"save_all": True, "append_images": frames[1:], "lossless": True}
    read = read_image(write(tmp_path, encoded(frames[0], kind, **options)))
    assert read.shape == (SIDE, SIDE, 3)
    assert (read == (255, 0, 0)).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 4000), (4000, 1)])
def test_images_of_extreme_shapes_are_read_exactly(height: int, width: int, tmp_path: Path) -> None:
    picture = noise(height, width, 3)
    read = read_image(write(tmp_path, encoded(Image.fromarray(picture), "PNG")), min_side=64)
    assert (read == picture).all()


# --- depth, colour and transparency ---


def palette_with_transparency() -> Image.Image:
    image = Image.new("P", (2, 1))
    image.putpalette([200, 0, 0, 0, 200, 0])
    image.putdata([0, 1])
    image.info["transparency"] = 1
    return image


def of_pixels(mode: str, pixels: Sequence[Any]) -> Image.Image:
    image = Image.new(mode, (len(pixels), 1))
    image.putdata(pixels)
    return image


ON = (10, 20, 30)
COLOURS: dict[str, tuple[Image.Image, str, dict[str, object], list[tuple[int, int, int]]]] = {
    "RGB": (of_pixels("RGB", [(1, 2, 3)]), "PNG", {}, [(1, 2, 3)]),
    "1-bit": (of_pixels("1", [0, 255]), "PNG", {}, [(0, 0, 0), (255, 255, 255)]),
    "L": (of_pixels("L", [7]), "PNG", {}, [(7, 7, 7)]),
    "LA": (of_pixels("LA", [(9, 255), (9, 0), (210, 51)]), "PNG", {}, [(9, 9, 9), ON, (50, 58, 66)]),
    "RGBA": (
        of_pixels("RGBA", [(1, 2, 3, 255), (1, 2, 3, 0), (210, 120, 30, 51)]),
        "PNG",
        {},
        [(1, 2, 3), ON, (50, 40, 30)],
    ),
    "P": (of_pixels("RGB", [(1, 2, 3), (4, 5, 6)]).quantize(2), "PNG", {}, [(1, 2, 3), (4, 5, 6)]),
    "P, one transparent": (palette_with_transparency(), "PNG", {"transparency": 1}, [(200, 0, 0), ON]),
    "P, half transparent": (palette_with_transparency(), "PNG", {"transparency": b"\xff\x00"}, [(200, 0, 0), ON]),
    "P, GIF": (palette_with_transparency(), "GIF", {"transparency": 1}, [(200, 0, 0), ON]),
    "RGB, one transparent": (
        of_pixels("RGB", [(1, 2, 3), (4, 5, 6)]),
        "PNG",
        {"transparency": (4, 5, 6)},
        [(1, 2, 3), ON],
    ),
    "L, one transparent": (of_pixels("L", [7, 8]), "PNG", {"transparency": 8}, [(7, 7, 7), ON]),
    "CMYK": (of_pixels("CMYK", [(0, 255, 255, 0), (0, 0, 0, 255)]), "TIFF", {}, [(255, 0, 0), (0, 0, 0)]),
    "YCbCr": (of_pixels("YCbCr", [(76, 85, 255)]), "TIFF", {"compression": "tiff_lzw"}, [(254, 0, 0)]),
}


@pytest.mark.parametrize("case", COLOURS)
def test_each_colour_mode_becomes_the_right_rgb(case: str, tmp_path: Path) -> None:
    image, kind, options, expected = COLOURS[case]
    read = read_image(write(tmp_path, encoded(image, kind, **options)), background=ON)
    assert np.abs(read[0].astype(int) - expected).max() <= 1


def test_transparency_is_white_by_default(tmp_path: Path) -> None:
    path = write(tmp_path, encoded(of_pixels("RGBA", [(1, 2, 3, 0)]), "WEBP", lossless=True, exact=True))
    assert read_image(path).tolist() == [[list(BACKGROUND)]] == [[[255, 255, 255]]]


def test_premultiplied_alpha_in_memory() -> None:
    assert to_rgb(of_pixels("RGBa", [(40, 20, 0, 51)]), ON)[0, 0].tolist() == pytest.approx([48, 36, 24], abs=1)


def test_cmyk_jpeg(tmp_path: Path) -> None:
    image = Image.fromarray(smooth(SIDE, SIDE)).convert("CMYK")
    read = read_image(write(tmp_path, encoded(image, "JPEG", quality=95)))
    assert np.abs(read.astype(int) - smooth(SIDE, SIDE)).mean() < 6


def test_cmyk_jpeg_whose_colours_are_stored_as_luma_and_chroma(tmp_path: Path) -> None:
    """YCCK: the first three channels hold the inverted inks as YCbCr, the fourth holds inverted black."""
    data = bytearray(encoded(Image.new("CMYK", (16, 16), (75, 60, 110, 30)), "JPEG", quality=100))
    data[data.index(b"Adobe") + 11] = 2  # now the stored channels mean something else
    luma, blue, red, black = (255 - ink for ink in (75, 60, 110, 30))
    inks = np.array(
        [
            luma + 1.402 * (red - 128),
            luma - 0.344136 * (blue - 128) - 0.714136 * (red - 128),
            luma + 1.772 * (blue - 128),
        ]
    ).clip(0, 255)
    read = read_image(write(tmp_path, bytes(data)))
    assert np.abs(read[8, 8] - (255 - inks) * black / 255).max() <= 2


def test_lab_tiff_of_signed_colours(tmp_path: Path) -> None:
    """The channels a and b are signed bytes in the file."""
    stored = np.array([[[136, 80, 67], [224, 256 - 79, 81], [255, 0, 0]]], np.uint8)  # red, green and white
    image = Image.frombytes("LAB", (3, 1), stored.tobytes())
    data = encoded(image, "TIFF")
    read = read_image(write(tmp_path, data))
    assert np.abs(read[0].astype(int) - [[255, 0, 0], [0, 255, 0], [255, 255, 255]]).max() <= 16


def test_lab_tiff(tmp_path: Path) -> None:
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    picture = smooth(SIDE, SIDE)
    read = read_image(write(tmp_path, encoded(to_lab.apply(Image.fromarray(picture)), "TIFF")))
    assert np.abs(read.astype(int) - picture).mean() < 4


def swapped_profile() -> bytes:
    """An sRGB profile with the red and green primaries exchanged, which has a large effect."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {
        bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * struct.unpack(">I", profile[128:132])[0], 12)
    }
    red, green = (struct.unpack_from(">II", profile, tags[tag] + 4) for tag in (b"rXYZ", b"gXYZ"))
    struct.pack_into(">II", profile, tags[b"rXYZ"] + 4, *green)
    struct.pack_into(">II", profile, tags[b"gXYZ"] + 4, *red)
    return bytes(profile)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("alpha", [False, True])
def test_a_colour_profile_is_applied(kind: str, alpha: bool, tmp_path: Path) -> None:
    image = of_pixels("RGBA", [(220, 40, 70, 255), (220, 40, 70, 0)]).convert("RGBA" if alpha else "RGB")
    read = read_image(write(tmp_path, encoded(image, kind, icc_profile=swapped_profile())), background=ON)
    expected = [(40, 220, 70), ON if alpha else (40, 220, 70)]
    assert np.abs(read[0].astype(int) - expected).max() <= 3


def ink_profile() -> bytes:
    """A CMYK profile, a table of 2^4 colours: no ink is white, all four inks are black, the others mid-grey (L* 50)."""
    table = b"".join(bytes([{0: 255, 15: 0}.get(inks, 128), 128, 128]) for inks in range(16))
    identity = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + bytes(range(256)) * 4 + table + bytes(range(256)) * 3
    return profile_of_one_tag(b"prtrCMYKLab ", b"A2B0", lut)


def linear_grey_profile() -> bytes:
    return profile_of_one_tag(b"mntrGRAYXYZ ", b"kTRC", b"curv" + bytes(8))


def profile_of_one_tag(kind: bytes, tag: bytes, body: bytes) -> bytes:
    header = struct.pack(">I4sI", 144 + len(body), bytes(4), 0x02400000) + kind + bytes(12) + b"acsp" + bytes(28)
    white = struct.pack(">3i", 63190, 65536, 54061)
    return header + white + bytes(48) + struct.pack(">I", 1) + tag + struct.pack(">II", 144, len(body)) + body


def test_a_cmyk_profile_is_applied(tmp_path: Path) -> None:
    image = of_pixels("CMYK", [(0, 0, 0, 0), (255, 0, 0, 0), (0, 0, 255, 0)])
    read = read_image(write(tmp_path, encoded(image, "TIFF", icc_profile=ink_profile())))
    assert np.abs(read[0].astype(int) - [[255] * 3, [119] * 3, [119] * 3]).max() <= 4  # L* 50 is 119 in sRGB


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_a_grey_profile_is_applied(mode: str, tmp_path: Path) -> None:
    image = of_pixels("L", [0, 55, 255]).convert(mode)
    read = read_image(write(tmp_path, encoded(image, "PNG", icc_profile=linear_grey_profile())))
    assert np.abs(read[0].astype(int) - [[0] * 3, [128] * 3, [255] * 3]).max() <= 2  # 55 / 255 of the light


@pytest.mark.parametrize("profile", [b"no profile at all", swapped_profile()[:300]], ids=["text", "cut"])
def test_a_broken_profile_is_ignored(profile: bytes, tmp_path: Path) -> None:
    path = write(tmp_path, encoded(Image.fromarray(smooth(SIDE, SIDE)), "PNG", icc_profile=profile))
    assert (read_image(path) == smooth(SIDE, SIDE)).all()


def test_a_profile_for_another_mode_is_ignored(tmp_path: Path) -> None:
    path = write(tmp_path, encoded(of_pixels("L", [7, 200]), "PNG", icc_profile=swapped_profile()))
    assert read_image(path)[0].tolist() == [[7, 7, 7], [200, 200, 200]]


# --- upright ---


AS_STORED: dict[int, Callable[[np.ndarray], np.ndarray]] = {  # from the upright image to the stored one
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", AS_STORED)
def test_images_are_turned_upright_by_their_exif_orientation(kind: str, orientation: int, tmp_path: Path) -> None:
    picture = smooth(SIDE, 2 * SIDE)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = Image.fromarray(np.ascontiguousarray(AS_STORED[orientation](picture)))
    read = read_image(write(tmp_path, encoded(stored, kind, exif=exif)))
    assert read.shape == picture.shape
    assert np.abs(read.astype(int) - picture).mean() < 6  # 50 or more for any other orientation


def test_damaged_exif_is_ignored(tmp_path: Path) -> None:
    path = write(tmp_path, encoded(Image.fromarray(smooth(SIDE, SIDE)), "PNG", exif=b"Exif\x00\x00XX\x00*damaged"))
    assert (read_image(path) == smooth(SIDE, SIDE)).all()


def test_an_opened_image_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    held = Image.open(io.BytesIO(encoded(Image.fromarray(smooth(SIDE, 2 * SIDE)), "JPEG", exif=exif)))
    assert to_rgb(held).shape == (2 * SIDE, SIDE, 3)


def test_a_broken_image_in_memory_is_unreadable() -> None:
    with pytest.raises(UnreadableImage, match="truncated"):
        to_rgb(Image.open(io.BytesIO(JPEG[: len(JPEG) // 2])))


# --- in bands, and reduced ---


@pytest.mark.parametrize("case", COLOURS)
@pytest.mark.parametrize("orientation", [1, 6])
def test_an_image_read_in_bands_is_the_same(
    case: str, orientation: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, kind, options, _ = COLOURS[case]
    tall = image.resize((7, 13), Image.Resampling.NEAREST)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = write(tmp_path, encoded(tall, kind, **options, **({} if kind == "GIF" else {"exif": exif})))
    at_once = read_image(path, background=ON)
    monkeypatch.setattr(images, "BAND", 14)
    assert (read_image(path, background=ON) == at_once).all()


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_image_is_reduced_by_averaging(
    orientation: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = noise(66, 100, 3)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = write(tmp_path, encoded(Image.fromarray(picture), "PNG", exif=exif))
    assert (read_image(path, min_side=8) == (np.rot90(picture, -1) if orientation == 6 else picture)).all()
    monkeypatch.setattr(images, "LARGE", 66 * 100 - 1)
    monkeypatch.setattr(images, "BAND", 800)
    read = read_image(path, min_side=8)
    means = picture.reshape(33, 2, 50, 2, 3).mean(axis=(1, 3))
    assert np.abs(read - (np.rot90(means, -1) if orientation == 6 else means)).max() <= 1
    assert read_image(path, min_side=20).shape[:2] in ((66, 100), (100, 66))


def test_a_large_image_of_odd_sides_is_reduced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "LARGE", 1)
    read = read_image(write(tmp_path, encoded(Image.fromarray(smooth(67, 101)), "PNG")), min_side=4)
    assert read.shape == (17, 26, 3)
    assert abs(read.mean() - smooth(67, 101).mean()) < 3


@pytest.mark.parametrize(
    ("min_side", "height", "width"),
    [(None, 480, 800), (480, 480, 800), (241, 480, 800), (240, 240, 400), (64, 120, 200), (60, 60, 100), (1, 60, 100)],
)
def test_a_large_jpeg_is_reduced_but_never_below_what_is_needed(
    min_side: int | None, height: int, width: int, tmp_path: Path
) -> None:
    path = write(tmp_path, encoded(Image.fromarray(smooth(480, 800)), "JPEG"))
    assert read_image(path, min_side=min_side).shape == (height, width, 3)


@pytest.mark.parametrize("orientation", [1, 6])
def test_reduction_rounds_up(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = write(tmp_path, encoded(Image.fromarray(smooth(487, 801)), "JPEG", exif=exif))
    assert sorted(read_image(path, min_side=243).shape[:2]) == [244, 401]


# --- fit ---


@pytest.mark.parametrize("how", FITS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 4000), (4000, 1), (8, 8), (5, 7), (64, 48), (100, 3)])
def test_fit_gives_a_writable_square_of_the_size_asked_for(how: str, shape: tuple[int, int]) -> None:
    fitted = fit(noise(*shape, 3), 16, how)
    assert fitted.dtype == np.uint8 and fitted.shape == (16, 16, 3)
    assert fitted.flags.writeable and fitted.flags.c_contiguous


@pytest.mark.parametrize("how", FITS)
def test_fit_leaves_an_image_of_the_right_size_alone(how: str) -> None:
    picture = noise(16, 16, 3)
    assert (fit(picture, 16, how) == picture).all()


@pytest.mark.parametrize("how", FITS)
def test_fit_averages_areas_when_shrinking(how: str) -> None:
    picture = noise(64, 64, 3)
    means = picture.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3))
    assert np.abs(fit(picture, 16, how) - means).max() <= 1


def test_fit_interpolates_when_enlarging() -> None:
    """Bicubic interpolation overshoots at an edge; nearest and bilinear interpolation do not."""
    edge = np.zeros((4, 4, 3), np.uint8)
    edge[:, 2:] = 200
    row = fit(edge, 16)[0, :, 0].tolist()
    assert len(set(row)) > 4 and max(row) > 200


def test_crop_keeps_the_middle() -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 90
    assert (fit(wide, 5) == 90).all()
    assert (fit(wide.transpose(1, 0, 2), 5) == 90).all()


def test_pad_keeps_everything_on_the_background() -> None:
    wide = np.full((10, 20, 3), 90, np.uint8)
    fitted = fit(wide, 8, "pad", background=ON)
    assert (fitted[2:6] == 90).all()
    assert (fitted[[0, 1, 6, 7]] == ON).all()
    assert (fit(wide.transpose(1, 0, 2), 8, "pad", background=ON) == fitted.transpose(1, 0, 2)).all()


def test_stretch_keeps_everything_and_no_proportions() -> None:
    halves = np.zeros((10, 40, 3), np.uint8)
    halves[:, 20:] = 90
    fitted = fit(halves, 20, "stretch")
    assert (fitted[:, :10] == 0).all() and (fitted[:, 10:] == 90).all()


def test_an_unknown_fit_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"'crob'.*crop"):
        fit(noise(4, 4, 3), 4, "crob")
