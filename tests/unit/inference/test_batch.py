"""`TranslateBatch`: forms of images, unreadable items, and other processes."""

from __future__ import annotations

import io
import multiprocessing
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sivae_translate.errors import UsageError
from sivae_translate.inference.batch import TranslateBatch
from sivae_translate.inference.translator import Translator

SIZE = 16


@pytest.fixture
def views(cars: Path) -> list[Path]:
    return sorted((cars / "unseen/car003").iterdir())[:3]


def levels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def test_an_array_gives_an_array_of_the_translations(trained: Path, translator: Translator, views: list[Path]) -> None:
    batch = {"image": np.stack([levels(path) for path in views]), "name": ["a", "b", "c"]}
    result = TranslateBatch(trained, to="car001", device="cpu")(batch)
    expected = np.stack([np.asarray(picture) for picture in translator(views, to="car001")])
    assert result["image"].dtype == np.uint8 and result["image"].shape == (3, SIZE, SIZE, 3)
    assert np.abs(result["image"].astype(int) - expected).max() <= 1
    assert result["error"] == [None, None, None] and result["name"] == batch["name"]


def test_items_keep_their_kind_and_a_bad_one_fails_alone(
    trained: Path, translator: Translator, views: list[Path]
) -> None:
    data = views[0].read_bytes()
    items = [levels(views[1])[:20], data, b"no image", data[:200], b"", None, np.zeros((2, 2), np.float32)]
    result = TranslateBatch(trained, style=views[2], device="cpu")({"image": items})
    array, png, *bad = result["image"]
    assert array.shape == (SIZE, SIZE, 3) and png.startswith(b"\x89PNG")
    expected = np.asarray(translator(views[0], style=views[2]))
    assert np.abs(decoded(png).astype(int) - expected).max() <= 1
    assert bad == [None] * 5 and result["error"][:2] == [None, None]
    reasons = ["not an image (text)", "truncated", "empty file", "a NoneType is no image", "float32"]
    for reason, error in zip(reasons, result["error"][2:], strict=True):
        assert reason in error


def test_a_batch_may_be_empty_or_wholly_unreadable(trained: Path) -> None:
    translate = TranslateBatch(trained, to="car001", device="cpu")
    assert translate({"image": np.empty((0, 8, 8, 3), np.uint8)})["image"].shape == (0, SIZE, SIZE, 3)
    assert list(translate({"image": [b"text"]})["image"]) == [None]
    assert list(translate({"image": []})["image"]) == []


def test_a_style_may_be_an_array_and_the_column_may_have_another_name(
    trained: Path, translator: Translator, views: list[Path]
) -> None:
    style = translator.random_styles("car002", 1)[0]
    translate = TranslateBatch(trained, to=style.numpy(), column="content", device="cpu")
    png = translate({"content": [views[0].read_bytes()]})["content"][0]
    assert np.abs(decoded(png).astype(int) - np.asarray(translator(views[0], to=style))).max() <= 1


def test_bad_arguments_are_named(trained: Path) -> None:
    for given in ({}, {"to": "car001", "style": "a.png"}):
        with pytest.raises(UsageError, match="one of to="):
            TranslateBatch(trained, **given)
    translate = TranslateBatch(trained, to="car01", device="cpu")
    with pytest.raises(UsageError, match="no column 'image' in a batch of a, b"):
        translate({"a": [], "b": []})
    with pytest.raises(UsageError, match=r"\(1, 3, 8, 8\), float32: expected uint8 \[B, H, W, 3\]"):
        translate({"image": np.zeros((1, 3, 8, 8), np.float32)})
    with pytest.raises(UsageError, match="car01"):
        translate({"image": [b"text"]})


def test_a_spawned_process_translates_alike(trained: Path, views: list[Path]) -> None:
    translate = TranslateBatch(trained, to="car001", device="cpu")
    batch = {"image": np.stack([levels(path) for path in views])}
    here = translate(batch)
    assert len(pickle.dumps(translate)) < 1000  # without the model that it has loaded
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        (there,) = pool.map(translate, [batch])
    assert np.array_equal(there["image"], here["image"])
