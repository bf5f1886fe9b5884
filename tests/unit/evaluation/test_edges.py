"""Agreement of edges: what it sees, and what it ignores."""

from __future__ import annotations

import numpy as np
import pytest

from sivae_translate.evaluation.edges import edge_agreement


def square(left: int, colours: tuple[int, int]) -> np.ndarray:
    """A square on a ground, uint8 `[32, 32, 3]`."""
    image = np.full((32, 32, 3), colours[0], np.uint8)
    image[8:24, left : left + 12] = colours[1]
    return image


def agreement(a: np.ndarray, b: np.ndarray) -> float:
    return float(edge_agreement(a[None], b[None])[0])


def test_it_ignores_colours_and_the_sign_of_a_contrast() -> None:
    image = square(8, (40, 200))
    assert agreement(image, image) == pytest.approx(1)
    assert agreement(image, square(8, (90, 30))) > 0.99
    assert agreement(image, np.stack([image[..., 0], image[..., 1], 255 - image[..., 2]], -1)) > 0.99


def test_it_falls_with_the_distance_between_edges() -> None:
    image = square(8, (40, 200))
    one, four, far = (agreement(image, square(8 + shift, (40, 200))) for shift in (1, 4, 12))
    assert 0.75 < one < 1 and one > four + 0.2 and far < 0.4


def test_an_image_of_one_colour_has_no_edges_to_agree_with() -> None:
    flat = np.full((32, 32, 3), 7, np.uint8)
    assert agreement(flat, square(8, (40, 200))) == 0 == agreement(flat, flat)


def test_it_compares_image_by_image() -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 255, (3, 16, 16, 3), dtype=np.uint8)
    assert edge_agreement(images, images) == pytest.approx(np.ones(3))
    assert np.abs(edge_agreement(images, images[[1, 2, 0]])).max() < 0.5
