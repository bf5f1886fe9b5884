"""One image gives one image and a list gives a list, at run time and, checked by `mypy` on this file, for its types."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from sivae_translate import Translator, UsageError
from sivae_translate.inference.direction import difference

SIZE = 16


@pytest.fixture
def view(cars: Path) -> Path:
    return sorted((cars / "unseen/car003").glob("*.png"))[0]


def test_a_translation_comes_as_pictures_array_or_tensor(translator: Translator, view: Path) -> None:
    one = assert_type(translator(view, to="car001"), Image.Image)
    several = assert_type(translator([view, view], to="car001"), list[Image.Image])
    array = assert_type(translator(view, to="car001", output="numpy"), np.ndarray)
    arrays = assert_type(translator([view, view], to="car001", output="numpy"), np.ndarray)
    tensor = assert_type(translator(view, to="car001", output="tensor"), Tensor)
    tensors = assert_type(translator([str(view), view], to="car001", output="tensor"), Tensor)
    assert assert_type(translator(str(view), to="car001"), Image.Image).tobytes() == one.tobytes()
    assert assert_type(translator(Image.open(view), to="car001"), Image.Image).tobytes() == one.tobytes()
    assert len(several) == 2 and np.array_equal(array, np.asarray(one)) and array.dtype == np.uint8
    assert arrays.shape == (2, SIZE, SIZE, 3) and np.array_equal(arrays[0], array)
    assert tensors.shape == (2, 3, SIZE, SIZE) and torch.allclose(tensors[0], tensor, atol=1e-5)
    assert tensor.shape == (3, SIZE, SIZE) and tensor.dtype == torch.float32
    assert translator.to_pictures(tensor[None])[0].tobytes() == one.tobytes()


def test_reconstructions_come_as_translations_do(translator: Translator, view: Path) -> None:
    one = assert_type(translator.reconstruct(view), Image.Image)
    assert len(assert_type(translator.reconstruct((view, view)), list[Image.Image])) == 2
    assert np.array_equal(assert_type(translator.reconstruct(view, output="numpy"), np.ndarray), np.asarray(one))
    assert assert_type(translator.reconstruct([view], output="tensor"), Tensor).shape == (1, 3, SIZE, SIZE)


def test_samples_paths_and_edits_are_several_whatever_the_output(translator: Translator, view: Path) -> None:
    code = translator.encode(view)
    direction = difference(code, code)
    assert len(assert_type(translator.sample(3), list[Image.Image])) == 3
    assert assert_type(translator.sample(40, output="numpy"), np.ndarray).shape == (40, SIZE, SIZE, 3)
    assert assert_type(translator.sample(3, output="tensor"), Tensor).shape == (3, 3, SIZE, SIZE)
    assert len(assert_type(translator.interpolate(view, str(view), steps=2), list[Image.Image])) == 2
    assert len(assert_type(translator.interpolate(view, view, output="numpy"), np.ndarray)) == 8
    assert len(assert_type(translator.interpolate(view, view, output="tensor"), Tensor)) == 8
    assert len(assert_type(translator.edit(view, direction, [1]), list[Image.Image])) == 1
    assert len(assert_type(translator.edit(view, direction, [0, 1], output="numpy"), np.ndarray)) == 2
    assert len(assert_type(translator.edit(view, direction, [0, 1], output="tensor"), Tensor)) == 2


CALLS: dict[str, Callable[[Any, Path], Any]] = {
    "call": lambda t, view: t(view, to="car001", output="np"),
    "reconstruct": lambda t, view: t.reconstruct(view, output="np"),
    "sample": lambda t, view: t.sample(1, output="np"),
    "interpolate": lambda t, view: t.interpolate(view, view, output="np"),
    "edit": lambda t, view: t.edit(view, t.encode(view), [1], output="np"),
}


@pytest.mark.parametrize("name", CALLS)
def test_an_unknown_output_is_an_error_with_the_known_ones(translator: Translator, view: Path, name: str) -> None:
    with pytest.raises(UsageError, match=re.escape("output was 'np': expected 'pil' or 'numpy' or 'tensor'")):
        CALLS[name](translator, view)
