"""Pictures of any size are translated in squares of one style, as many at a time as the network may compute."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from folders import images, rows
from PIL import Image

from sivae_translate.errors import UsageError
from sivae_translate.inference import canvas as canvas_module
from sivae_translate.inference.canvas import decode, encode, square_count
from sivae_translate.inference.folder import translate_folder
from sivae_translate.inference.shape import Shape, put
from sivae_translate.inference.translator import Translator


@pytest.fixture
def layout(untrained: Callable[..., Path]) -> Translator:
    return Translator.from_pretrained(untrained("style", "red", "blue", content_stride=4), device="cpu")


def noise(width: int, height: int) -> Image.Image:
    small = np.random.default_rng(0).integers(0, 256, (height // 3 + 1, width // 3 + 1, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def test_a_picture_comes_back_in_its_size(layout: Translator) -> None:
    for size in [(40, 23), (16, 16), (5, 9), (1, 1), (3, 200)]:
        picture = noise(*size)
        assert layout.translate_picture(picture, to="red").size == size
        assert layout.translate_picture(picture, to="red", tile=True).size == size
        assert layout(picture, to="red").size == (16, 16)
    assert layout.translate_picture(noise(40, 20), to="red", size=100).size == (100, 50)
    assert [layout.translate_picture(noise(*size), to="red").size for size in ((40, 20), (9, 30))] == [
        (40, 20),
        (9, 30),
    ]


def test_a_picture_of_the_size_of_the_model_is_translated_as_ever(layout: Translator) -> None:
    picture = noise(16, 16)
    for options in ({"to": "red"}, {"style": noise(30, 30)}):
        expected = np.asarray(layout(picture, **options))
        for shape in ({"size": "input"}, {"size": "input", "tile": True}, {"size": "input", "fit": "pad"}):
            np.testing.assert_array_equal(np.asarray(layout.translate_picture(picture, **options, **shape)), expected)


@torch.no_grad()
def test_a_square_is_translated_alone_where_no_other_overlaps_it(layout: Translator) -> None:
    picture = np.asarray(noise(28, 16))
    x = torch.from_numpy(picture[:, :16].copy()).permute(2, 0, 1)[None].float() / 255
    for to in ("red", "blue"):
        style = layout.style_of(to=to)
        (square,) = layout.to_pictures(layout.translate(x, style))
        result = np.asarray(layout.translate_picture(picture, to=to, tile=True))
        np.testing.assert_array_equal(result[:, :12], np.asarray(square)[:, :12])


def test_all_squares_of_a_picture_have_one_style(layout: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the correction on the picture as a whole."""
    given: list[torch.Tensor] = []
    restyle = Translator.restyle

    def noted(self: Translator, content: Any, style: Any, **options: Any) -> Any:
        given.append(style)
        assert style.shape == (layout.model.style_size,) and not options.get("style_correction")
        return restyle(self, content, style, **options)

    monkeypatch.setattr(Translator, "restyle", noted)
    layout.translate_picture(noise(100, 90), style=noise(20, 20), tile=True)
    reference = layout.style_of(style=noise(20, 20))
    assert len(given) > 1 and all(torch.equal(style, given[0]) for style in given)
    assert not torch.equal(given[0], reference)


def test_the_network_computes_a_bounded_number_of_squares(layout: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    most = 0
    encode_images = layout.model.encode

    def counted(x: Any) -> Any:
        nonlocal most
        most = max(most, len(x))
        return encode_images(x)

    monkeypatch.setattr(layout.model, "encode", counted)
    monkeypatch.setattr(canvas_module, "SQUARES", 5)
    layout.translate_picture(noise(100, 90), to="red", tile=True)
    assert most == 5


def test_pictures_of_several_squares_do_not_depend_on_one_another(layout: Translator) -> None:
    shape, style = Shape("input", "whole"), layout.style_of(to="red")
    pictures = [put(np.asarray(noise(*size)), size, layout.frame, shape) for size in [(40, 16), (16, 16), (20, 50)]]
    assert list(map(square_count, pictures)) == [3, 1, 3]
    together = decode(layout, encode(layout, pictures, True), pictures, style, 2)
    for one, picture in zip(together, pictures, strict=True):
        (alone,) = decode(layout, encode(layout, [picture], True), [picture], style, 2)
        assert abs(np.asarray(one).astype(int) - np.asarray(alone)).max() <= 1


def test_a_folder_is_translated_as_its_images_are(layout: Translator, tmp_path: Path) -> None:
    for i, size in enumerate([(40, 23), (16, 16), (5, 90)]):
        (tmp_path / "in").mkdir(exist_ok=True)
        noise(*size).save(tmp_path / f"in/{i}.png")
    for n, options in enumerate(({}, {"tile": True}, {"size": 50}, {"fit": "stretch"}, {"size": "model"})):
        out = tmp_path / f"out{n}"
        assert translate_folder(layout, tmp_path / "in", out, to="red", batch=2, **options).written == 3
        for path in (tmp_path / "in").iterdir():
            expected = layout.translate_picture(path, to="red", **options)
            result = Image.open(out / path.name)
            assert result.size == expected.size
            assert abs(np.asarray(result).astype(int) - np.asarray(expected)).max() <= 1


def test_another_shape_in_the_same_folder_is_an_error(layout: Translator, tmp_path: Path) -> None:
    source, out = images(tmp_path / "in", "a.png"), tmp_path / "out"
    assert translate_folder(layout, source, out, to="red").written == 1
    assert translate_folder(layout, source, out, to="red", size="input").skipped == 1
    for options in ({"size": "model"}, {"size": 64}, {"fit": "pad"}, {"tile": True}, {"alpha": "keep"}):
        with pytest.raises(UsageError, match="--out"):
            translate_folder(layout, source, out, to="red", **options)


def test_the_format_of_the_input_is_kept_where_it_is_written(layout: Translator, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name in ("a.JPG", "b.webp", "c.bmp"):
        noise(20, 20).save(source / name)
    for _ in range(2):
        translate_folder(layout, source, out, to="red", format="same")
        assert {Path(row["output"]).name: row["reason"] for row in rows(out)} == {
            "a.JPG": "", "b.webp": "", "c.bmp.png": "png, as .bmp is not written",
        }  # fmt: skip
        assert all(row["status"] == "ok" for row in rows(out))
    assert [Image.open(out / name).format for name in ("a.JPG", "b.webp", "c.bmp.png")] == ["JPEG", "WEBP", "PNG"]


def test_transparency_is_kept_where_it_is_asked_for(layout: Translator, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    picture = noise(40, 20).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize((40, 20)))
    for name in ("a.png", "b.webp"):
        picture.save(source / name, lossless=True)
    noise(20, 20).save(source / "c.png")
    translate_folder(layout, source, tmp_path / "out", to="red", alpha="keep")
    for name in ("a.png", "b.webp.png"):
        result = np.asarray(Image.open(tmp_path / "out" / name))
        assert result.shape == (20, 40, 4)
        np.testing.assert_array_equal(result[:, :, 3], np.asarray(picture)[:, :, 3])
    assert Image.open(tmp_path / "out/c.png").mode == "RGB"
    translate_folder(layout, source, tmp_path / "out2", to="red")
    assert Image.open(tmp_path / "out2/a.png").mode == "RGB"
    with pytest.raises(UsageError, match="jpg"):
        translate_folder(layout, source, tmp_path / "out3", to="red", alpha="keep", format="jpg")


def test_a_format_without_pictures_of_a_size_fails_its_row_alone(layout: Translator, tmp_path: Path) -> None:
    source = images(tmp_path / "in", "a.png")
    Image.new("RGB", (16_400, 1)).save(source / "long.png")
    summary = translate_folder(layout, source, tmp_path / "out", to="red", format="webp")
    assert (summary.written, summary.failed) == (1, 1)
    assert ["16,383" in row["reason"] for row in rows(tmp_path / "out") if row["status"] == "failed"] == [True]


def test_a_model_that_draws_objects_says_so(translator: Translator, tmp_path: Path) -> None:
    class Shown:
        def __init__(self) -> None:
            self.notes: list[str] = []

        def note(self, text: str) -> None:
            self.notes.append(text)

        def step(self, fraction: float, text: str) -> None: ...

    display, source = Shown(), images(tmp_path / "in", "a.png")
    translate_folder(translator, source, tmp_path / "out", to="car001", display=display)
    assert len(display.notes) == 1 and "its own size" in display.notes[0] and "--size input" in display.notes[0]
    assert Image.open(tmp_path / "out/a.png").size == (16, 16)
    translate_folder(translator, source, tmp_path / "out2", to="car001", size="input", display=display)
    assert len(display.notes) == 1 and Image.open(tmp_path / "out2/a.png").size == (20, 20)
