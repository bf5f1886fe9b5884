"""Rows are computed some at a time, and fewer from then on where memory runs out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from folders import images
from torch import Tensor

from sivae_translate.inference.folder import translate_folder
from sivae_translate.inference.passes import Passes
from sivae_translate.inference.translator import Translator
from sivae_translate.progress import Silent


def small(rows: int, sizes: list[int]) -> Callable[[Tensor], Tensor]:
    """Doubles its rows, notes their number, and runs out of memory for more than `rows`."""

    def double(x: Tensor) -> Tensor:
        if len(x) > rows:
            raise torch.OutOfMemoryError("CUDA out of memory")
        sizes.append(len(x))
        return 2 * x

    return double


def test_rows_are_halved_until_they_fit_and_stay_so() -> None:
    passes, x, sizes = Passes(8), torch.arange(20), list[int]()
    assert torch.equal(torch.cat(passes(small(3, sizes), x)), 2 * x)
    assert sizes == [2] * 10 and passes.rows == 2
    assert torch.equal(torch.cat(passes(small(8, sizes), x)), 2 * x) and passes.rows == 2


def test_a_last_pass_is_halved_from_its_own_rows() -> None:
    passes, sizes = Passes(9), list[int]()
    passes(small(3, sizes), torch.arange(6))
    assert sizes == [3, 3] and passes.rows == 3


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("out of memory"), ValueError("other")])
def test_what_fewer_rows_do_not_mend_is_raised(error: Exception) -> None:
    passes, calls = Passes(4), list[int]()

    def fail(x: Tensor) -> None:
        calls.append(len(x))
        raise error

    with pytest.raises(type(error)):
        passes(fail, torch.arange(4))
    assert calls == ([4] if isinstance(error, ValueError) else [4, 2, 1])


class Notes(Silent):
    def __init__(self) -> None:
        self.notes = list[str]()

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_a_folder_is_translated_in_less_memory_and_says_so_once(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, translator, notes = (
        images(tmp_path / "in", *(f"{i}.png" for i in range(12))),
        Translator.from_pretrained(trained, device="cpu"),
        Notes(),
    )
    translate_folder(translator, source, tmp_path / "plenty", to="car001", batch=16)
    real = type(translator.model).decode

    def decode(model: object, code: object) -> Tensor:
        if len(code) > 1:  # type: ignore[arg-type]
            raise MemoryError
        return real(model, code)  # type: ignore[arg-type]

    monkeypatch.setattr(type(translator.model), "decode", decode)
    summary = translate_folder(translator, source, tmp_path / "out", to="car001", batch=16, display=notes)
    assert summary.written == 12 and summary.failed == 0
    assert [note for note in notes.notes if "memory ran out" in note] == [
        "memory ran out: images are computed 1 at a time, not 32"
    ]
    for path in (tmp_path / "plenty").glob("*.png"):
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()
