"""Devices by name, and the automatic precision: the faster one of the machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sivae_translate import device
from sivae_translate.data.domains import find_domains
from sivae_translate.device import pick_device, pick_precision
from sivae_translate.errors import UsageError
from sivae_translate.recipe import Precision, load_recipe
from sivae_translate.training.autoconfig import resolve
from sivae_translate.training.processes import new_accelerator


@pytest.fixture(autouse=True)
def without_cache() -> Iterator[None]:
    """The cached measurement is deleted before each test."""
    device._cpu_likes_bf16.cache_clear()
    yield
    device._cpu_likes_bf16.cache_clear()


@pytest.mark.parametrize(
    ("instructions", "seconds", "expected"),
    [
        (True, {torch.float32: 2.0, torch.bfloat16: 1.0}, "bf16"),
        (True, {torch.float32: 1.0, torch.bfloat16: 2.0}, "fp32"),  # an Intel CPU without AMX
        (False, {torch.float32: 2.0, torch.bfloat16: 1.0}, "fp32"),
    ],
)
def test_auto_is_the_faster_precision_of_the_cpu(
    monkeypatch: pytest.MonkeyPatch, instructions: bool, seconds: dict[torch.dtype, float], expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: instructions)
    monkeypatch.setattr(device, "_seconds", lambda x: seconds[x.dtype])
    assert pick_precision("auto", "cpu") == expected
    assert pick_precision("bf16", "cpu") == "bf16" and pick_precision("fp32", "cpu") == "fp32"


def test_the_cpu_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[Tensor] = []
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr(device, "_seconds", lambda x: float(measured.append(x) or len(measured)))
    assert pick_precision("auto", "cpu") == pick_precision("auto", "cpu") and len(measured) == 2


def test_the_automatic_precision_is_noted_and_in_the_recipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").touch()
    monkeypatch.setattr(device, "_cpu_likes_bf16", lambda: True)
    recipe, note = resolve(load_recipe("conv"), find_domains(tmp_path), "cpu")
    assert recipe.training.precision == "bf16" and "bf16" in note


def test_half_precision_needs_a_gpu() -> None:
    with pytest.raises(UsageError, match="fp16"):
        pick_precision("fp16", "cpu")
    assert pick_precision("fp16", "cuda:1") == "fp16"


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_products_are_computed_in_the_precision(precision: Precision, dtype: torch.dtype) -> None:
    x = torch.ones(2, 2)
    with new_accelerator("cpu", precision).autocast():
        assert (x @ x).dtype == dtype


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "cpu:1", "mps:1", ""])
def test_an_absent_device_is_one_line_of_error(device: str) -> None:
    with pytest.raises(UsageError) as caught:
        pick_device(device)
    assert repr(device) in str(caught.value) and "\n" not in str(caught.value)


def test_auto_prefers_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for present, expected in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda present=present: present)
        assert pick_device("auto") == expected
    assert pick_device("cpu") == "cpu"
