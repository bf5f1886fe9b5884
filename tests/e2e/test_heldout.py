"""Runs with held-out images, end to end."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sivae_translate.data import batches
from sivae_translate.inference.translator import Translator
from sivae_translate.progress import Silent
from sivae_translate.training import estimate
from sivae_translate.training.run import train

Go = Callable[..., Path]


class Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def go(tiny: tuple[str, ...], tmp_path: Path) -> Go:
    """Trains in tmp_path/run on 32 images."""

    def call(domains: Path, *overrides: str, **options: Any) -> Path:
        train(domains, "tiny", tmp_path / "run", set=[*tiny, "training.images=32", *overrides], device="cpu", **options)
        return tmp_path / "run"

    return call


def rows(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "heldout.jsonl").read_text().splitlines()]


def test_held_out_images_are_measured_never_trained_on_and_choose_a_model(
    go: Go, cars: Path, cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt: set[Path] = set()
    real = batches.ImageCache.read
    monkeypatch.setattr(
        batches.ImageCache, "read", lambda self, source: (learnt.add(source.path), real(self, source))[1]
    )
    notes = Notes()
    run = go(cars / "train", "data.holdout=0.1", "training.images=16", display=notes)
    every = set((cars / "train").rglob("*.png"))
    assert len(every - learnt) == 3 * round(0.1 * len(every) / 3) and learnt < every
    first = rows(run)
    assert first[-1]["images"] == 16
    assert {"psnr", "domain_accuracy", "kid_random_vgg16", "kid_copy", "domain_accuracy_real"} < set(first[-1])
    assert first[-1]["domain_accuracy_real"] > 0.5 and first[-1]["kid_copy"] > 0
    assert sum("data.holdout" in note for note in notes.notes) == 1
    go(cars / "train", "data.holdout=0.1")
    assert rows(run)[: len(first)] == first and rows(run)[-1]["images"] == 32
    values = [row["kid_random_vgg16"] for row in rows(run)]
    figures = json.loads((run / "model-best/figures.json").read_text())
    assert figures["kid_random_vgg16"] == min(values)
    if rows(run)[-1].get("best"):
        kept, last = ((run / name / "model.safetensors").read_bytes() for name in ("model-best", "model"))
        assert kept == last
    out = tmp_path / "out"
    translated = cli("run", cars / "unseen/car003", "--model", run / "model-best", "--to", "car001", "--out", out)
    assert translated.exit_code == 0, translated.output


def test_holding_out_does_not_change_what_is_learnt_from_the_others(go: Go, cars: Path, tmp_path: Path) -> None:
    """A split val/ leaves the training images as they are."""
    shutil.copytree(cars / "train", tmp_path / "set/train")
    plain = Translator.from_pretrained(go(tmp_path / "set"), device="cpu").model.state_dict()
    shutil.rmtree(tmp_path / "run")
    shutil.copytree(cars / "test", tmp_path / "set/val")
    run = go(tmp_path / "set")
    measured = Translator.from_pretrained(run, device="cpu").model.state_dict()
    assert all(value.equal(measured[name]) for name, value in plain.items())
    assert rows(run) and (run / "model-best/config.json").exists()


def test_a_single_latent_is_chosen_by_its_reconstructions(cars: Path, tmp_path: Path) -> None:
    settings = ("data.size=16", "data.batch=8", "model.width=16", "model.max_width=16", "training.minutes=0")
    settings += ("training.images=32", "data.holdout=0.1", "training.precision=fp32")
    train(cars / "train", "conv", tmp_path / "run", set=settings, device="cpu")
    assert set(rows(tmp_path / "run")[-1]) == {"images", "seconds", "psnr", "best"}
    assert json.loads((tmp_path / "run/model-best/figures.json").read_text())["criterion"] == "psnr"


@pytest.mark.slow
def test_images_without_sub_folders_are_held_out_before_they_are_clustered(go: Go, cars: Path) -> None:
    run = go(cars / "train/car000", "data.holdout=0.2", "training.images=16")
    assert rows(run)[-1].keys() >= {"psnr"}


def test_the_estimate_of_check_names_the_recipe_time_and_memory(cli: Any, cars: Path, options: Any) -> None:
    settings = options("training.images=1000")
    checked = cli("check", cars / "train", *settings)
    assert checked.exit_code == 0, checked.output
    line = checked.stdout.splitlines()[-1]
    assert re.search(r"16 px, batch 8, fp32, cpu.* about \S+ (seconds|minutes) for 1,000 images, at \S+ images/s", line)
    assert re.search(r" (\d+\.\d) GB of memory", line)


def test_an_estimate_for_which_memory_runs_out_says_so(
    cli: Any, cars: Path, options: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(*_: Any) -> float:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(estimate.Steps, "__call__", step)
    checked = cli("check", cars / "train", *options())
    assert checked.exit_code == 0 and "out of memory" in checked.stdout.splitlines()[-1]
