"""Augmentation in the workers: decided by a seed, checked before any image is read."""

from __future__ import annotations

import inspect
import math
import pickle
from importlib import metadata
from typing import Any

import numpy as np
import pytest

from sivae_translate.data import augment
from sivae_translate.data.augment import AUGMENTATIONS, Augment, check_augment, ranges
from sivae_translate.errors import SivaeError, UsageError

SIZE = 16
NAMES = list(AUGMENTATIONS)


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)


def steps(*names: str, **arguments: float) -> list[dict[str, Any]]:
    return [{"name": name, **arguments} for name in names]


@pytest.mark.parametrize("name", NAMES)
def test_each_transform_is_a_function_of_the_seed(name: str, image: np.ndarray) -> None:
    transform = Augment(SIZE, steps(name))
    views = [transform(image, seed) for seed in (1, 1, 2, 3, 4)]
    np.testing.assert_array_equal(views[0], views[1])
    assert any(not np.array_equal(views[0], view) for view in views[2:])
    assert {(view.shape, view.dtype) for view in views} == {((SIZE, SIZE, 3), np.dtype(np.uint8))}


def test_the_seed_decides_in_another_process_too(image: np.ndarray) -> None:
    transform = Augment(SIZE, steps(*NAMES))
    transform(image, 5)
    copied = pickle.loads(pickle.dumps(transform))
    np.testing.assert_array_equal(copied(image, 1), transform(image, 1))


def test_no_transforms_leave_the_image_as_it_is(image: np.ndarray) -> None:
    assert Augment(SIZE)(image, 1) is image


def test_transforms_are_applied_in_the_order_of_the_list(image: np.ndarray) -> None:
    flip, affine = {"name": "flip", "p": 1}, {"name": "affine", "rotate": 90}
    one, other = Augment(SIZE, [flip, affine]), Augment(SIZE, [affine, flip])
    assert not np.array_equal(one(image, 1), other(image, 1))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("end", ["low", "high"])
def test_each_transform_works_at_both_ends_of_its_ranges(name: str, end: str, image: np.ndarray) -> None:
    arguments = {argument: getattr(each, end) for argument, each in ranges(AUGMENTATIONS[name]).items()}
    transform = Augment(SIZE, steps(name, **arguments))
    assert {transform(image, seed).shape for seed in range(5)} == {image.shape}


@pytest.mark.parametrize("name", NAMES)
def test_each_transform_documents_its_arguments_and_defaults_lie_in_their_ranges(name: str) -> None:
    defaults = {p.name: p.default for p in inspect.signature(AUGMENTATIONS[name]).parameters.values()}
    for argument, (low, high) in ranges(AUGMENTATIONS[name]).items():
        assert low <= defaults[argument] <= high
        described = " ".join(inspect.getdoc(AUGMENTATIONS[name]).split())  # type: ignore[union-attr]
        assert argument in described and f"{low:g}..{high:g}" in described


def test_a_flip_mirrors_left_to_right(image: np.ndarray) -> None:
    np.testing.assert_array_equal(Augment(SIZE, steps("flip", p=1))(image, 0), image[:, ::-1])
    np.testing.assert_array_equal(Augment(SIZE, steps("flip", p=0))(image, 0), image)


def test_a_crop_keeps_at_least_the_side_asked_for() -> None:
    ramp = np.tile(np.linspace(0, 255, 64).astype(np.uint8)[:, None], (64, 1, 3))  # the value tells the column
    kept = []
    for seed in range(50):
        columns = Augment(64, steps("crop", keep=0.5))(ramp, seed)[0, :, 0].astype(int)
        kept.append((columns[-1] - columns[0]) / 255)
    assert 0.45 < min(kept) < 0.7 < max(kept)


def test_an_affine_moves_an_object_by_at_most_the_shift() -> None:
    dot = np.zeros((65, 65, 3), np.uint8)
    dot[30:35, 30:35] = 255
    places = []
    for seed in range(30):
        moved = Augment(65, steps("affine", rotate=0, scale=0, shift=0.2))(dot, seed)[..., 0].astype(float)
        places.append([(moved.sum(axis) * np.arange(65)).sum() / moved.sum() - 32 for axis in (0, 1)])
    assert np.abs(places).max() <= 0.2 * 65 + 0.5
    assert np.std(places, axis=0).min() > 2


def test_colour_jitter_without_hue_keeps_grey_images_grey() -> None:
    grey = np.repeat(np.arange(SIZE * SIZE, dtype=np.uint8).reshape(SIZE, SIZE, 1), 3, axis=2)
    jittered = Augment(SIZE, steps("colour", brightness=0.5, contrast=0.5))(grey, 3)
    assert not np.array_equal(jittered, grey)
    assert (jittered == jittered[..., :1]).all()


def test_noise_is_as_strong_as_asked_for() -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    stds = [Augment(64, steps("noise", std=0.1))(grey, seed).std() / 255 for seed in range(30)]
    assert 0.05 < max(stds) < 0.11


def test_blur_smooths_and_keeps_the_mean(image: np.ndarray) -> None:
    blurred = Augment(SIZE, steps("blur", sigma=3))(image, 4)
    assert blurred.std() < image.std()
    assert abs(blurred.mean() - image.mean()) < 10


WRONG: dict[str, tuple[Any, str]] = {
    "a name alone": ("flip", r"data\.augment = 'flip'"),
    "a number": (3, r"data\.augment = 3"),
    "a list of names": (["flip"], r"data\.augment\[0\] = 'flip'"),
    "no name": ([{"keep": 0.5}], r"data\.augment\[0\]"),
    "an unknown name": ([{"name": "flip"}, {"name": "flop"}], r"data\.augment\[1\]\.name = 'flop'.*flip"),
    "an unknown argument": ([{"name": "crop", "keeps": 0.5}], r"data\.augment\[0\]\.keeps.*keep"),
    "the size, which is the images'": ([{"name": "flip", "size": 3}], r"data\.augment\[0\]\.size"),
    "too large": ([{"name": "crop", "keep": 1.1}], r"data\.augment\[0\]\.keep = 1\.1: .*0\.1\.\.1"),
    "too small": ([{"name": "flip", "p": -0.1}], r"data\.augment\[0\]\.p = -0\.1: .*0\.\.1"),
    "not a number": ([{"name": "flip", "p": math.nan}], r"data\.augment\[0\]\.p"),
    "true": ([{"name": "flip", "p": True}], r"data\.augment\[0\]\.p"),
    "text": ([{"name": "flip", "p": "0.5"}], r"data\.augment\[0\]\.p"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_impossible_augmentation_is_named_before_any_image_is_read(case: str) -> None:
    given, message = WRONG[case]
    for check in (check_augment, lambda given: Augment(SIZE, given)):
        with pytest.raises(UsageError, match=message) as error:
            check(given)
        assert "\n" not in str(error.value)


def test_whole_numbers_are_numbers() -> None:
    check_augment([{"name": "flip", "p": 1}])


def test_the_agpl_successor_of_albumentations_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"albumentationsx": "2.0.11"}

    def version(name: str) -> str:
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(augment.metadata, "version", version)
    with pytest.raises(SivaeError, match=r"albumentationsx 2\.0\.11.*pip uninstall") as error:
        Augment(SIZE, steps("flip"))
    assert "\n" not in str(error.value)
    Augment(SIZE)  # nothing is imported where nothing is asked for
    versions.clear()
    Augment(SIZE, steps("flip"))
