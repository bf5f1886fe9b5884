"""Pictures of any size are put before a model, and come back in their shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sivae_translate.data.images import Frame, fit
from sivae_translate.errors import UsageError
from sivae_translate.inference.shape import Placement, Shape, finished, mask_of, place, put, read_placed, shape_of

FRAME = Frame(16, "crop", (255, 255, 255))


@pytest.mark.parametrize(
    ("frame_fit", "layout", "options", "expected"),
    [
        ("crop", True, {}, Shape("input", "whole")),
        ("pad", True, {}, Shape("input", "pad")),
        ("stretch", True, {}, Shape("input", "stretch")),
        ("stretch", True, {"tile": True}, Shape("input", "whole", True)),
        ("crop", False, {}, Shape("model", "crop")),
        ("crop", False, {"size": "input"}, Shape("input", "crop")),
        ("crop", True, {"size": "model"}, Shape("model", "crop")),
        ("crop", True, {"size": "300"}, Shape(300, "whole")),
        ("crop", True, {"fit": "crop", "size": 300}, Shape(300, "crop")),
    ],
)
def test_defaults(frame_fit: str, layout: bool, options: dict[str, Any], expected: Shape) -> None:
    assert shape_of(Frame(16, frame_fit, (0, 0, 0)), layout, **options) == expected


@pytest.mark.parametrize(
    ("layout", "options", "part"),
    [
        (True, {"size": "0"}, "'0'"),
        (True, {"size": 9000}, "8,192"),
        (True, {"size": "big"}, "big"),
        (True, {"size": True}, "True"),
        (True, {"size": 2.5}, "2.5"),
        (True, {"fit": "cropped"}, "crop"),
        (True, {"alpha": "yes"}, "keep"),
        (True, {"tile": True, "size": "model"}, "--tile and --size model"),
        (True, {"fit": "whole", "size": "model"}, "whole and --size model"),
        (True, {"tile": True, "fit": "stretch"}, "stretch"),
        (False, {"tile": True}, "own size"),
        (False, {"fit": "whole", "size": "input"}, "own size"),
    ],
)
def test_wrong_options(layout: bool, options: dict[str, Any], part: str) -> None:
    with pytest.raises(UsageError, match=part):
        shape_of(FRAME, layout, **options)


@pytest.mark.parametrize(
    ("size", "shape", "expected"),
    [
        ((40, 20), Shape("input", "whole"), Placement((32, 16), (0, 0, 32, 16), (40, 20))),
        ((40, 20), Shape("input", "pad"), Placement((16, 16), (0, 4, 16, 12), (40, 20))),
        ((40, 20), Shape("input", "stretch"), Placement((16, 16), (0, 0, 16, 16), (40, 20))),
        ((20, 20), Shape("input", "crop"), Placement((16, 16), (0, 0, 16, 16), (20, 20))),
        ((40, 20), Shape("input", "whole", True), Placement((40, 20), (0, 0, 40, 20), (40, 20))),
        ((10, 5), Shape("input", "whole", True), Placement((32, 16), (0, 0, 32, 16), (10, 5))),
        ((40, 20), Shape(80, "whole"), Placement((32, 16), (0, 0, 32, 16), (80, 40))),
        ((40, 20), Shape(80, "whole", True), Placement((80, 40), (0, 0, 80, 40), (80, 40))),
        ((1, 5000), Shape("input", "whole"), Placement((16, 64), (7, 0, 8, 64), (1, 5000))),
        ((5000, 1), Shape("input", "whole", True), Placement((5000, 16), (0, 7, 5000, 8), (5000, 1))),
        ((1, 1), Shape("input", "whole"), Placement((16, 16), (0, 0, 16, 16), (1, 1))),
    ],
)
def test_places(size: tuple[int, int], shape: Shape, expected: Placement) -> None:
    assert place(size, FRAME, shape) == expected


@pytest.mark.parametrize(
    ("how", "tile"),
    [("whole", False), ("pad", False), ("stretch", False), ("crop", False), ("whole", True), ("pad", True)],
)
@pytest.mark.parametrize("size", [(50, 30), (30, 50), (16, 16), (7, 9), (1, 40), (3, 1)])
def test_a_canvas_that_is_left_as_it_is_comes_back(how: str, tile: bool, size: tuple[int, int]) -> None:
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : (width + 1) // 2] = (200, 100, 0)  # the left half
    placed = put(pixels, size, FRAME, Shape("input", how, tile))
    canvas = placed.levels if placed.canvas is None else placed.canvas
    result = np.asarray(finished(Image.fromarray(canvas), placed.placement))
    side = min(size)
    left = (width - side) // 2
    expected = pixels[:side, left : left + side] if how == "crop" else pixels
    assert result.shape == expected.shape
    error = abs(result.astype(int) - expected).mean()
    assert error < (40 if min(size) < 16 else 3)  # pixels beside the edge are blurred
    assert not (tile and min(size) >= 16 and error)


def test_a_large_jpeg_on_its_side_keeps_its_upright_size(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x112] = 6
    Image.linear_gradient("L").resize((600, 400)).save(tmp_path / "a.jpg", exif=exif)
    placed = read_placed(tmp_path / "a.jpg", FRAME, Shape("input", "whole"))
    assert placed.placement == Placement((16, 24), (0, 0, 16, 24), (400, 600))
    assert placed.canvas is not None and placed.canvas.shape == (24, 16, 3)
    assert placed.canvas[12, 0].mean() > placed.canvas[12, -1].mean() + 100  # turned clockwise: dark is on the right


def test_the_size_of_the_model_is_as_in_training() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    for how in ("crop", "pad", "stretch"):
        placed = put(pixels, (50, 30), FRAME, Shape("model", how))
        assert placed.placement is placed.canvas is None
        np.testing.assert_array_equal(placed.levels, fit(pixels, 16, how))


@pytest.mark.parametrize(
    ("shape", "size", "opaque"),
    [
        (Shape("input", "whole"), (40, 20), (0, 20)),
        (Shape("input", "crop"), (20, 20), (0, 10)),
        (Shape("model", "crop"), (16, 16), (0, 8)),
        (Shape("model", "pad"), (16, 16), (0, 8)),
    ],
)
def test_masks_lie_as_the_outputs(shape: Shape, size: tuple[int, int], opaque: tuple[int, int], tmp_path: Path) -> None:
    picture = Image.new("RGBA", (40, 20), (1, 2, 3, 0))
    picture.paste((1, 2, 3, 255), (0, 0, 20, 20))
    picture.save(tmp_path / "a.png")
    mask = mask_of(tmp_path / "a.png", size, FRAME, shape)
    assert mask is not None and mask.size == size
    middle = np.asarray(mask)[size[1] // 2] > 127
    np.testing.assert_array_equal(middle, (np.arange(size[0]) >= opaque[0]) & (np.arange(size[0]) < opaque[1]))
    if shape.fit == "pad":
        assert not np.asarray(mask)[:4].any() and not np.asarray(mask)[12:].any()
    picture.convert("RGB").save(tmp_path / "b.png")
    assert mask_of(tmp_path / "b.png", size, FRAME, shape) is None
