"""Pairs are read and translated, and those whose target is one of their own inputs get a note."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sivae_translate.errors import UsageError
from sivae_translate.evaluation.metrics.psnr import IDENTICAL, psnr
from sivae_translate.evaluation.pairs import copies, read_pairs, translate_pairs
from sivae_translate.evaluation.sets import TranslatedPairs
from sivae_translate.evaluation.translation import Translation
from sivae_translate.inference.translator import Translator


def pairs(**grey: list[int]) -> TranslatedPairs:
    """Pairs of images of one grey value each."""
    images = {name: np.array(values, np.uint8)[:, None, None, None].repeat(3, 3) for name, values in grey.items()}
    return TranslatedPairs(tuple(Path(f"a/{i}") for i in range(len(grey["target"]))), images)


def test_pairs_whose_style_is_the_target_are_counted_and_left_out_of_the_means() -> None:
    given = pairs(content=[0, 0, 0], style=[50, 70, 80], output=[55, 65, 75], target=[50, 60, 70])
    (note,) = copies(given)
    assert "1 of 3" in note and "style" in note
    copy, output = (psnr(given.images[name][1:], given.images["target"][1:]).mean() for name in ("style", "output"))
    assert f"{copy:.2f} dB" in note and f"{output:.2f} dB" in note


def test_there_is_no_note_where_no_input_is_the_target() -> None:
    assert copies(pairs(content=[0, 1], style=[2, 3], output=[50, 60], target=[50, 60])) == []


def test_each_input_has_a_note_and_all_pairs_may_be_copies() -> None:
    content, style = copies(pairs(content=[5], style=[5], output=[6], target=[5]))
    assert "content" in content and "style" in style


def test_psnr_of_identical_images_is_finite() -> None:
    image = np.full((1, 2, 2, 3), 7, np.uint8)
    assert psnr(image, image).tolist() == [IDENTICAL]
    assert psnr(image, image + 1)[0] == 20 * np.log10(255)


def test_files_and_folders_may_be_texts(translator: Translator, cars: Path, tmp_path: Path) -> None:
    rows = read_pairs(str(cars / "pairs_unseen.csv"), str(cars))[:2]
    translate_pairs(Translation(translator, 0, 0, 2), rows, str(tmp_path / "out"))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"000000.png", "000001.png"}


@pytest.mark.parametrize("name", ["../a.png", "/etc/passwd", "a\0b.png", "\x1b[31m.png", ""])
def test_a_path_that_names_no_file_below_the_root_is_an_error_of_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "root").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "pairs.csv").write_text(f"content,style,target\n{name},{name},{name}\n", encoding="utf-8")
    with pytest.raises(UsageError, match="line 2") as error:
        read_pairs(str(tmp_path / "pairs.csv"), str(tmp_path / "root"))
    assert str(error.value).isprintable()
