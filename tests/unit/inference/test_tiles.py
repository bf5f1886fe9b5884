"""Overlapping squares cover a canvas, and are blended without a loss."""

from __future__ import annotations

import numpy as np
import pytest

from sivae_translate.inference.tiles import blended, count, ramps, squares, starts

SIZES = [(16, 16), (17, 16), (16, 64), (40, 23), (100, 61)]


@pytest.mark.parametrize("length", [16, 17, 28, 29, 40, 41, 100, 1000])
def test_squares_cover_a_side_and_overlap(length: int) -> None:
    found = starts(length, 16)
    assert found[0] == 0 and found[-1] == length - 16
    steps = np.diff(found)
    assert (steps > 0).all() and (steps <= 12).all()
    assert len(found) == 1 or (len(found) - 2) * 12 + 16 < length  # none fewer would do


@pytest.mark.parametrize("length", [16, 17, 40, 100])
def test_the_weights_of_a_pixel_have_the_sum_one(length: int) -> None:
    total = np.zeros(length)
    for start, weights in zip(starts(length, 16), ramps(length, 16), strict=True):
        assert (weights > 0).all()
        total[start : start + 16] += weights
    np.testing.assert_allclose(total, 1, atol=1e-6)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_squares_that_are_left_as_they_are_give_the_canvas(width: int, height: int) -> None:
    canvas = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    each = [square.astype(np.float32) / 255 for square in squares(canvas, 16)]
    assert len(each) == count(canvas, 16) and all(square.shape == (16, 16, 3) for square in each)
    np.testing.assert_array_equal(blended(each, width, height, 16), canvas)


def test_neighbours_that_differ_are_joined_by_a_ramp() -> None:
    values = iter([0.0, 1.0])
    each = (np.full((16, 16, 3), value, np.float32) for value in values)
    row = blended(each, 28, 16, 16)[8, :, 0]
    assert (row[:12] == 0).all() and (row[16:] == 255).all()
    np.testing.assert_allclose(row[12:16], [32, 96, 159, 223], atol=1)


def test_a_translation_is_taken_only_when_its_band_is_reached() -> None:
    """So that no more translations are in memory than those of a band."""
    taken = 0

    def translations():  # type: ignore[no-untyped-def]
        nonlocal taken
        for _ in range(9):
            taken += 1
            yield np.full((16, 16, 3), taken / 10, np.float32)

    result = blended(translations(), 40, 40, 16)
    assert taken == 9 and result[0, 0, 0] == 26 and result[-1, -1, 0] == 230
