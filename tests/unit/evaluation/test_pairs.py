"""What is said of pairs whose truth one of their images is: copying that image is no floor there."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sivae_translate.evaluation.pairs import SAME, Measured


def measured(output: list[float], content: list[float], style: list[float]) -> Measured:
    columns = {"output": output, "copy_content": content, "copy_style": style}
    return Measured([], Path(), {name: {"psnr": np.array(psnr)} for name, psnr in columns.items()}, {}, {})


def test_copies_are_told_of_with_both_means_without_them() -> None:
    (note,) = measured([20.0, 30.0, 25.0], [10.0, 11.0, 12.0], [10.0, SAME, 13.0]).copies()
    assert note.startswith("in 1 of 3 pairs the style image is the truth")
    assert note.endswith("without them 11.50, translations 22.50")


def test_nothing_is_said_where_no_input_is_the_truth() -> None:
    assert measured([20.0, SAME], [10.0, 99.0], [10.0, 13.0]).copies() == []


def test_each_input_has_a_line_and_all_pairs_may_be_copies() -> None:
    content, style = measured([20.0], [SAME], [SAME]).copies()
    assert "content image" in content and "style image" in style and "without" not in style
