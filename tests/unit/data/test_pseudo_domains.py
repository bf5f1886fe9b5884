"""Unlabelled images are clustered by their colours, wherever in the image those are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sivae_translate.data.augment import Augment
from sivae_translate.data.batches import Images
from sivae_translate.data.domains import find_domains
from sivae_translate.data.images import Frame
from sivae_translate.data.pseudo_domains import colour_histogram, merge_singletons, tf_idf

COLOURS = {"red": (200, 30, 30), "green": (30, 170, 40), "blue": (30, 40, 200), "grey": (120, 120, 120)}
EACH = 6


def shape(colour: tuple[int, int, int], random: np.random.Generator) -> Image.Image:
    """A square of a colour under random light, with two black wheels, at a random place on white."""
    picture = Image.new("RGB", (32, 32), "white")
    x, y, side = random.integers(0, 14), random.integers(0, 14), random.integers(8, 16)
    light = random.uniform(0.8, 1.1)
    red, green, blue = (int(value * light) for value in colour)
    picture.paste((red, green, blue), (int(x), int(y), int(x + side), int(y + side)))
    for wheel in (x, x + side - 3):
        picture.paste("black", (int(wheel), int(y + side - 3), int(wheel + 3), int(y + side)))
    return picture


@pytest.fixture
def unlabelled(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        for i in range(EACH):
            shape(colour, random).save(tmp_path / f"{i}-{name}.png")
    return tmp_path


def clustered(folder: Path, seed: int = 0) -> Images:
    images = Images(find_domains(folder), Frame(32, "crop", (255, 255, 255)), Augment(32))
    images.assign_pseudo_domains(seed)
    return images


def test_a_cluster_holds_images_of_one_colour(unlabelled: Path) -> None:
    domains = clustered(unlabelled).domains
    colours: dict[int, set[str]] = {}
    for source, label in zip(domains.sources, domains.labels, strict=True):
        colours.setdefault(label, set()).add(source.path.stem.split("-")[1])
    assert all(len(found) == 1 for found in colours.values())
    assert set().union(*colours.values()) == set(COLOURS)


def test_clusters_are_numbered_and_hold_several_images_each(unlabelled: Path) -> None:
    domains = clustered(unlabelled).domains
    assert domains.names == tuple(f"cluster-{i + 1:03}" for i in range(len(domains.names)))
    assert min(domains.counts()) > 1 and sum(domains.counts()) == len(COLOURS) * EACH
    assert 2 <= len(domains.names) <= 5  # about the square root of 24


def test_the_same_seed_clusters_alike_and_files_keep_their_pixels(unlabelled: Path) -> None:
    first, again = clustered(unlabelled), clustered(unlabelled)
    assert first.domains == again.domains
    for row, source in enumerate(first.domains.sources):
        np.testing.assert_array_equal(first[(row, 0)][0], np.asarray(Image.open(source.path)))
        assert first[(row, 0)][1] == first.domains.labels[row]


def test_a_histogram_sums_to_one_and_hardly_changes_with_the_light() -> None:
    image = np.full((4, 4, 3), 255, np.uint8)
    image[:2] = (200, 100, 40)
    fractions = colour_histogram(image)
    assert fractions.sum() == pytest.approx(1) and fractions[-1] == 0.5  # half of the pixels are white
    darker = image.copy()
    darker[:2] = (100, 50, 20)
    np.testing.assert_allclose(colour_histogram(darker), fractions, atol=0.02)
    other_hue = image[..., ::-1]
    assert colour_histogram(other_hue)[:-1] @ fractions[:-1] == 0


def test_a_colour_that_all_images_show_has_weight_zero() -> None:
    histograms = np.array([[0.8, 0.2, 0.0], [0.8, 0.0, 0.2], [0.9, 0.1, 0.0], [0.9, 0.0, 0.1]])
    features = tf_idf(histograms)
    assert np.abs(features[:, 0]).max() < 1e-9
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1)


def test_a_cluster_of_one_image_joins_the_nearest() -> None:
    features = np.array([[0.0], [0.1], [5.0], [5.1], [0.4]])
    assert merge_singletons(features, np.array([3, 3, 1, 1, 0])).tolist() == [1, 1, 0, 0, 1]
    assert merge_singletons(features, np.arange(5)).tolist() == [0] * 5
