"""Runs with the settings of a GPU, as far as a CPU does the same: inputs in fixed places, but no graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sivae_translate.checkpoint import load
from sivae_translate.progress import Silent
from sivae_translate.training import autoconfig
from sivae_translate.training import trainer as trainer_module
from sivae_translate.training.captured import StaticStep
from sivae_translate.training.run import train
from sivae_translate.types import Batch

Go = Callable[..., dict[str, Tensor]]


class Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def go(cars: Path, tiny: tuple[str, ...], tmp_path: Path) -> Go:
    """Trains on 64 images in tmp_path/NAME, and returns the weights in its state."""

    def call(name: str, *overrides: str, **options: Any) -> dict[str, Tensor]:
        settings = [*tiny, "training.images=64", "training.log_every=8", "data.domain_aug=0.5", *overrides]
        train(cars / "train", "tiny", tmp_path / name, set=settings, device="cpu", **options)
        tensors, _ = load(tmp_path / name / "state", ["model"], [])
        return dict(tensors["model"])

    return call


@pytest.fixture
def static(monkeypatch: pytest.MonkeyPatch) -> None:
    """`training.capture` stands for a step on inputs in fixed places that is not captured."""
    monkeypatch.setattr(trainer_module, "CapturedStep", StaticStep)
    monkeypatch.setattr(autoconfig, "check_capture", lambda settings, device: None)


def test_a_captured_run_learns_what_another_learns_and_either_resumes_the_other(go: Go, static: None) -> None:
    expected = go("eager")
    torch.testing.assert_close(go("whole", "training.capture=true"), expected, rtol=0, atol=1e-4)
    for images, capture in ((24, "false"), (40, "true"), (64, "false")):
        resumed = go("mixed", f"training.images={images}", f"training.capture={capture}")
    torch.testing.assert_close(resumed, expected, rtol=0, atol=0.05)  # other schedules


def test_a_captured_run_that_diverges_goes_back_with_half_the_learning_rate(
    go: Go, static: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    display, real, calls = Notes(), StaticStep.__call__, [0]

    def broken(self: StaticStep, batch: Batch, *rest: Any) -> dict[str, Tensor]:
        calls[0] += 1
        images = batch.images * float("nan") if calls[0] == 3 else batch.images
        return real(self, Batch(images, batch.domains), *rest)

    monkeypatch.setattr(StaticStep, "__call__", broken)
    weights = go("run", "training.capture=true", display=display)
    assert all(torch.isfinite(weight).all() for weight in weights.values())
    (note,) = [text for text in display.notes if "halved" in text]
    assert note.startswith("a loss or its gradient became NaN or infinite in a step at 24 images: back to 0, with")


def test_without_a_gpu_the_plain_norms_are_used_and_told(go: Go) -> None:
    display = Notes()
    fused = go("fused", "training.fused_norm=true", display=display)
    assert [text for text in display.notes if "fused_norm" in text] == [
        "training.fused_norm has no effect, normalisation is PyTorch's own: expected a CUDA GPU, the device is cpu"
    ]
    torch.testing.assert_close(fused, go("plain"), rtol=0, atol=0)
