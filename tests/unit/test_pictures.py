"""Pictures: tensors to 8 bits, images side by side, labels beside their rows, atomic writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sivae_translate.pictures import VISIBLE, contact_sheet, save_frames, save_picture, sheet, to_pictures

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255)]


def plain(colour: tuple[int, int, int], size: int = VISIBLE) -> Image.Image:
    return Image.new("RGB", (size, size), colour)


def cells(picture: Image.Image, size: int) -> list[list[tuple[int, ...]]]:
    """The colour in the middle of each cell, row by row."""
    pixels = np.asarray(picture)[size // 2 :: size, size // 2 :: size]
    return [[tuple(int(level) for level in cell) for cell in row] for row in pixels]


def test_a_tensor_is_clamped_and_rounded_to_8_bits_and_its_channels_are_rgb() -> None:
    x = torch.tensor([[0.0, 1.0, 100.6 / 255], [-0.5, 1.5, 0.5]]).view(2, 3, 1, 1).expand(2, 3, 4, 5)
    pictures = to_pictures(x)
    assert [picture.size for picture in pictures] == [(5, 4)] * 2
    assert [picture.getpixel((2, 2)) for picture in pictures] == [(0, 255, 101), (0, 255, 128)]


def test_no_value_wraps_around_and_nan_is_black() -> None:
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        x = torch.tensor([1.2, -0.2, torch.inf, -torch.inf, torch.nan, 0.5]).to(dtype).view(2, 3, 1, 1)
        assert [picture.getpixel((0, 0)) for picture in to_pictures(x)] == [(255, 0, 255), (0, 0, 128)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_every_precision_and_memory_layout_is_taken(dtype: torch.dtype) -> None:
    x = torch.eye(3).view(1, 3, 3, 1).contiguous(memory_format=torch.channels_last).to(dtype).requires_grad_()
    assert np.array_equal(np.asarray(to_pictures(x)[0])[:, 0], 255 * np.eye(3))


def test_columns_stand_side_by_side_and_small_images_are_enlarged() -> None:
    red, green, blue, yellow, _ = (plain(colour, 16) for colour in COLOURS)
    picture = sheet([[red, np.asarray(green)], [blue, yellow]])
    assert picture.size == (2 * VISIBLE, 2 * VISIBLE)
    assert cells(picture, VISIBLE) == [[COLOURS[0], COLOURS[2]], [COLOURS[1], COLOURS[3]]]


@pytest.mark.parametrize("size", [16, 128, 256])
def test_a_label_stands_in_a_white_margin_beside_its_row_alone(size: int) -> None:
    columns = [[plain(colour, size) for colour in COLOURS[:3]]] * 2
    without, picture = sheet(columns), sheet(columns, ["content", "", "translation"])
    margin = picture.width - without.width
    assert picture.height == without.height
    assert np.array_equal(np.asarray(picture)[:, margin:], np.asarray(without))
    rows = np.split(np.asarray(picture.convert("L"))[:, :margin], 3)
    heights = [int((row < 128).any(1).sum()) for row in rows]  # of the letters, in pixels
    assert heights[1] == 0 and min(heights[0], heights[2]) >= 8
    assert (np.asarray(picture)[:, 0] == 255).all() and (np.asarray(picture)[:, margin - 1] == 255).all()


def test_no_file_beside_a_written_picture_is_touched(tmp_path: Path) -> None:
    (tmp_path / ".tmp-a.png").write_text("mine")
    save_picture(plain(COLOURS[0]), tmp_path / "a.png")
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", ".tmp-a.png"}
    assert (tmp_path / ".tmp-a.png").read_text() == "mine"


def test_another_number_of_labels_than_rows_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"1.*2"):
        sheet([[plain(COLOURS[0])] * 2], ["one"])


def test_a_contact_sheet_goes_row_by_row_and_its_rest_is_white() -> None:
    pictures, white = [plain(colour) for colour in COLOURS], (255, 255, 255)
    assert cells(contact_sheet(pictures), VISIBLE) == [COLOURS[:3], [*COLOURS[3:], white]]
    assert cells(contact_sheet(pictures, 2), VISIBLE) == [COLOURS[:2], COLOURS[2:4], [COLOURS[4], white]]
    assert cells(contact_sheet(pictures[:1]), VISIBLE) == [COLOURS[:1]]


def test_a_strip_shows_every_frame_once(tmp_path: Path) -> None:
    save_frames([plain(colour) for colour in COLOURS], tmp_path / "strip.png")
    assert cells(Image.open(tmp_path / "strip.png"), VISIBLE) == [COLOURS]


def test_a_picture_that_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    save_picture(plain(COLOURS[0]), file)
    before = file.read_bytes()
    with pytest.raises(OSError):
        save_picture(Image.new("F", (4, 4)), file)  # PNG has no such mode
    assert file.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["a.png"]
