"""Attribute directions: the arithmetic by hand, saved and loaded files, and expected errors."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor

from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.inference.direction import difference, load_direction, save_direction
from sivae_translate.inference.threshold import weights_of
from sivae_translate.types import Code


def codes(count: int, seed: int) -> Code:
    generator = torch.Generator().manual_seed(seed)
    return Code(torch.randn(count, 4, 2, 2, generator=generator), torch.randn(count, 8, generator=generator))


def same(a: Code, b: Code) -> bool:
    return torch.equal(a.content, b.content) and (a.style is b.style or torch.equal(a.style, b.style))  # type: ignore[arg-type]


def test_a_difference_by_hand() -> None:
    a = Code(torch.tensor([1.0, 3.0]).view(2, 1, 1, 1), torch.tensor([[0.0, 2.0], [2.0, 0.0]]))
    b = Code(torch.tensor([4.0]).view(1, 1, 1, 1), torch.tensor([[1.0, 0.0]]))
    found = difference(a, b)
    assert found.content.tolist() == [[[[-2]]]]
    assert found.style is not None and found.style.tolist() == [[0, 1]]


def test_swapping_the_folders_negates_the_direction() -> None:
    a, b = codes(5, 0), codes(3, 1)
    assert same(difference(a, b), difference(b, a).map(torch.neg))
    assert same(difference(Code(a.content), Code(b.content)), Code(difference(a, b).content))


def test_a_file_holds_the_direction_the_weights_and_the_model_s_name(trained: Path, tmp_path: Path) -> None:
    file, direction = tmp_path / "x.safetensors", difference(codes(2, 0), codes(2, 1))
    save_direction(file, direction, trained, weights_of(trained))
    assert same(load_direction(file, trained), direction)
    assert same(load_direction(file, trained / "model"), direction)
    with safe_open(file, "pt") as opened:
        assert opened.metadata()["weights"] == weights_of(trained)
        assert opened.metadata()["model"] == trained.name
    save_direction(file, Code(direction.content), trained, weights_of(trained))
    assert load_direction(file, trained).style is None
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


class Canary:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def stored(tensors: dict[str, Tensor], **metadata: str) -> bytes:
    return safetensors.torch.save(tensors, metadata)


KIND = {"kind": "sivae-translate direction"}
FILES: dict[str, bytes] = {
    "nothing": b"",
    "text": b"a direction, honestly",
    "a length too large": b"\xff" * 64,
    "other tensors": stored({"content": torch.zeros(1, 4)}),
    "no content": stored({"style": torch.zeros(1, 4)}, **KIND),
    "NaN": stored({"content": torch.full((1, 4), torch.nan)}, **KIND),
    "no weights": stored({"content": torch.zeros(1, 4)}, **KIND),
    "other weights": stored({"content": torch.zeros(1, 4)}, **KIND, weights="0" * 64, model="cats\n\x1b[31m"),
}


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_a_file_that_is_no_direction_of_this_model_is_one_line_of_error(
    trained: Path, tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "x.safetensors").write_bytes(data)
    with pytest.raises(UsageError, match=r"x\.safetensors.*sivae-translate direction") as caught:
        load_direction(tmp_path / "x.safetensors", trained)
    assert str(caught.value).isprintable()


def test_a_pickle_is_an_error_and_never_loaded(trained: Path, tmp_path: Path) -> None:
    file, canary = tmp_path / "x.safetensors", tmp_path / "canary"
    file.write_bytes(pickle.dumps(Canary(canary)))
    with pytest.raises(UsageError, match="pickle"):
        load_direction(file, trained)
    assert not canary.exists()
    pickle.loads(file.read_bytes())
    assert canary.exists()  # the file does run code when it is unpickled


def test_a_direction_with_nan_is_not_written(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(SivaeError, match="NaN"):
        save_direction(
            tmp_path / "x.safetensors", codes(1, 0).map(lambda t: t * torch.nan), trained, weights_of(trained)
        )
    assert not list(tmp_path.iterdir())


def test_a_file_too_large_for_a_direction_is_refused_before_it_is_read(trained: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    save_direction(file, difference(codes(2, 0), codes(2, 1)), trained, weights_of(trained))
    os.truncate(file, 200 * 10**9)  # takes no room on the disk
    with pytest.raises(UsageError, match="too large") as caught:
        load_direction(file, trained)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)
