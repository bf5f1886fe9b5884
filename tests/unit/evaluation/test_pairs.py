"""Notes on pairs whose target is one of their own inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sivae_translate.evaluation.metrics.psnr import IDENTICAL, psnr
from sivae_translate.evaluation.pairs import copies
from sivae_translate.evaluation.sets import TranslatedPairs


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
