"""Examples, images with their domains, as domains in temporary files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sivae_translate.data.cache import ImageCache
from sivae_translate.data.domains import find_domains
from sivae_translate.data.images import Frame
from sivae_translate.data.in_memory import domains_of, found_in, is_examples
from sivae_translate.data.reader import read_source
from sivae_translate.data.survey import survey
from sivae_translate.errors import UsageError

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 13, 3), dtype=np.uint8)


def read(examples: Any) -> dict[str, list[np.ndarray]]:
    """The images of each domain."""
    with domains_of(examples) as found:
        result: dict[str, list[np.ndarray]] = {name: [] for name in found.names}
        for source, label in zip(found.sources, found.labels, strict=True):
            result[found.names[label]].append(read_source(source))
    return result


def file_bytes(image: Image.Image, format: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, format, **options)
    return data.getvalue()


def test_every_kind_of_image_is_read_as_it_was_given(tmp_path: Path) -> None:
    picture = Image.fromarray(PIXELS)
    picture.save(tmp_path / "a.png")
    tensor = torch.from_numpy(PIXELS).movedim(-1, 0).float() / 255
    kinds = [PIXELS, picture, tensor, file_bytes(picture, "BMP"), tmp_path / "a.png", str(tmp_path / "a.png")]
    for image in kinds:
        assert np.array_equal(read([(image, "red")])["red"][0], PIXELS), type(image)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "I;16", "F"])
def test_an_opaque_image_of_any_mode_is_read_as_from_its_own_file(mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.arange(0, 60000, 600, dtype=np.uint16).reshape(10, 10))
    elif mode == "F":
        image = Image.fromarray(np.linspace(0, 1, 100, dtype=np.float32).reshape(10, 10))
    else:
        image = Image.fromarray(PIXELS).convert(mode)
    format = "PNG" if mode in ("1", "L", "P", "I;16") else "TIFF"
    (given,) = read([(image, "a")])["a"]
    (file,) = read([(file_bytes(image, format), "a")])["a"]
    assert np.array_equal(given, file)


def test_an_image_of_a_mode_that_no_file_has_is_converted() -> None:
    image = Image.fromarray(PIXELS).convert("YCbCr")
    assert np.array_equal(read([(image, "a")])["a"][0], np.asarray(image.convert("RGB")))


def test_transparency_and_orientation_are_kept() -> None:
    alpha = np.dstack([PIXELS, np.arange(117, dtype=np.uint8).reshape(9, 13)])
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    data = file_bytes(Image.fromarray(alpha), "PNG", exif=exif)
    with domains_of([(Image.open(io.BytesIO(data)), "a"), (data, "b")]) as found:
        for background in ((255, 255, 255), (0, 0, 0)):
            ours, file = (read_source(source, background=background) for source in found.sources)
            assert ours.shape == (13, 9, 3)
            assert np.array_equal(ours, file)


def test_domains_are_texts_or_numbers_whatever_their_names_mean_in_a_folder() -> None:
    rows = [
        {"image": PIXELS, "domain": "test"},
        {"image": PIXELS, "domain": 7},
        (PIXELS, np.int64(7)),
        (PIXELS, "train"),
    ]
    assert {name: len(images) for name, images in read(rows).items()} == {"7": 2, "test": 1, "train": 1}


def test_a_generator_is_asked_once_and_the_files_go_with_the_block() -> None:
    def examples() -> Iterator[tuple[np.ndarray, str]]:
        yield from ((PIXELS + i, "ab"[i % 2]) for i in range(5))

    with domains_of(examples()) as found:
        assert found.counts() == [3, 2]
        assert all(source.path.is_file() for source in found.sources)
    assert not found.root.exists()


def test_equal_examples_have_equal_names_and_others_do_not() -> None:
    def digests(*images: np.ndarray) -> list[str]:
        with domains_of([(image, "a") for image in images]) as found:
            return [str(source.path.relative_to(found.root)) for source in found.sources]

    assert digests(PIXELS, PIXELS + 1) == digests(PIXELS, PIXELS + 1)
    assert digests(PIXELS, PIXELS + 1) != digests(PIXELS, PIXELS + 2)


def test_the_files_are_not_cached() -> None:
    with domains_of([(PIXELS, "a")]) as found:
        cache = ImageCache(found.base, Frame(16, "crop", (255, 255, 255)))
        cache.read(found.sources[0])
        assert not cache.filling and not cache.waiting and cache.room() == 0
        assert len(survey(found).digests) == 1


@pytest.mark.parametrize(
    ("examples", "reason"),
    [
        ([], "held no image"),
        ([PIXELS], "domains[0]"),
        ([(PIXELS, "a"), (3, "a")], "domains[1]: type int"),
        ([(PIXELS, "a", "b")], "expected an image and its domain"),
        ([{"image": PIXELS}], "expected an image and its domain"),
        ([(PIXELS, None)], "NoneType as domain"),
        ([(PIXELS, True)], "bool as domain"),
        ([(PIXELS, "a/b")], "a name that a folder can have"),
        ([(PIXELS.astype(float), "a")], "expected uint8"),
        ([(torch.ones(3, 4, 4) * 255, "a")], "x / 255"),
    ],
)
def test_what_is_no_example_is_named_by_its_place(examples: Any, reason: str) -> None:
    with pytest.raises(UsageError) as caught, domains_of(examples):
        pass
    assert reason in str(caught.value) and "\n" not in str(caught.value)


def test_folders_are_told_from_examples(tmp_path: Path) -> None:
    for folders in ("a", tmp_path, ["a", tmp_path], [], None, 3):
        assert not is_examples(folders)
    for examples in ([(PIXELS, "a")], iter([]), {"image": 1}, [3]):
        assert is_examples(examples)
    (tmp_path / "a").mkdir()
    Image.fromarray(PIXELS).save(tmp_path / "a/x.png")
    with found_in(tmp_path) as found:
        assert found == find_domains(tmp_path)
