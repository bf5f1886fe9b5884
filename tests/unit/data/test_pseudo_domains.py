"""Images without labels are grouped by what colours they show, wherever those are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sivae_translate.data.augment import Augment
from sivae_translate.data.batches import Images
from sivae_translate.data.domains import find_domains
from sivae_translate.data.pseudo_domains import histogram, several, weighed

COLOURS = {"red": (200, 30, 30), "green": (30, 170, 40), "blue": (30, 40, 200), "grey": (120, 120, 120)}
EACH = 6


def shape(colour: tuple[int, int, int], random: np.random.Generator) -> Image.Image:
    """A square of that colour, lit from somewhere, with two black wheels, anywhere on white."""
    picture = Image.new("RGB", (32, 32), "white")
    x, y, side = random.integers(0, 14), random.integers(0, 14), random.integers(8, 16)
    light = random.uniform(0.8, 1.1)
    red, green, blue = (int(value * light) for value in colour)
    picture.paste((red, green, blue), (int(x), int(y), int(x + side), int(y + side)))
    for wheel in (x, x + side - 3):
        picture.paste("black", (int(wheel), int(y + side - 3), int(wheel + 3), int(y + side)))
    return picture


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        for i in range(EACH):
            shape(colour, random).save(tmp_path / f"{i}-{name}.png")
    return tmp_path


def grouped(bag: Path, seed: int = 0) -> Images:
    images = Images(find_domains(bag), 32, "crop", (255, 255, 255), Augment(32, flip=False, crop=0.0))
    images.group(seed)
    return images


def test_like_colours_come_together_whatever_the_place(bag: Path) -> None:
    domains = grouped(bag).domains
    colours: dict[int, set[str]] = {}
    for source, label in zip(domains.sources, domains.labels, strict=True):
        colours.setdefault(label, set()).add(source.path.stem.split("-")[1])
    assert all(len(found) == 1 for found in colours.values())
    assert set().union(*colours.values()) == set(COLOURS)


def test_groups_are_named_and_none_is_of_one_image(bag: Path) -> None:
    domains = grouped(bag).domains
    assert domains.names == tuple(f"group-{i + 1:03}" for i in range(len(domains.names)))
    assert min(domains.counts()) > 1 and sum(domains.counts()) == len(COLOURS) * EACH
    assert 2 <= len(domains.names) <= 5  # the square root of 24


def test_the_same_seed_groups_alike_and_files_stay_with_their_pixels(bag: Path) -> None:
    first, again = grouped(bag), grouped(bag)
    assert first.domains == again.domains
    for row, source in enumerate(first.domains.sources):
        np.testing.assert_array_equal(first[(row, 0)][0], np.asarray(Image.open(source.path)))
        assert first[(row, 0)][1] == first.domains.labels[row]


def test_a_histogram_is_of_shares_and_does_not_change_with_the_light() -> None:
    image = np.full((4, 4, 3), 255, np.uint8)
    image[:2] = (200, 100, 40)
    shares = histogram(image)
    assert shares.sum() == pytest.approx(1) and shares[-1] == 0.5  # half of it white
    darker = image.copy()
    darker[:2] = (100, 50, 20)
    np.testing.assert_allclose(histogram(darker), shares, atol=0.02)
    turned = image[..., ::-1]
    assert histogram(turned)[:-1] @ shares[:-1] == 0


def test_what_all_images_show_counts_for_nothing() -> None:
    shares = np.array([[0.8, 0.2, 0.0], [0.8, 0.0, 0.2], [0.9, 0.1, 0.0], [0.9, 0.0, 0.1]])
    features = weighed(shares)
    assert np.abs(features[:, 0]).max() < 1e-9
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1)


def test_a_lone_image_joins_the_nearest_group() -> None:
    features = np.array([[0.0], [0.1], [5.0], [5.1], [0.4]])
    assert several(features, np.array([3, 3, 1, 1, 0])).tolist() == [1, 1, 0, 0, 1]
    assert several(features, np.arange(5)).tolist() == [0] * 5
