"""The saved state of a run, its errors, and which runs count as finished."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from sivae_translate import checkpoint
from sivae_translate.errors import UsageError
from sivae_translate.models.autoencoder import PRIOR_LR, StyleAutoencoder
from sivae_translate.objectives import OBJECTIVES
from sivae_translate.training.checkpointing import FORMAT, finished, load_state, save_state
from sivae_translate.training.optimizers import Optimizers, moving_average
from sivae_translate.training.processes import new_accelerator
from sivae_translate.training.state import State
from sivae_translate.types import Batch

Parts = tuple[StyleAutoencoder, AveragedModel, Optimizers]


def parts(seed: int, domains: tuple[str, ...] = ("a", "b")) -> Parts:
    torch.manual_seed(seed)
    model = StyleAutoencoder(domains=domains, size=16, content=4, style=3, width=16, max_width=16)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizers = Optimizers(model, new_accelerator("cpu", "fp32"), lr=1e-3, betas=(0.9, 0.99))
    return model, moving_average(model, 0.9), optimizers


def step(run: Parts, seed: int) -> None:
    model, ema, optimizers = run
    generator = torch.Generator().manual_seed(seed)
    batch = Batch(torch.rand(4, 3, 16, 16, generator=generator), torch.tensor([0, 0, 1, 1]))
    for phase in OBJECTIVES["soft-introvae"]().play(model, batch, 1.0, generator, ema.module):
        optimizers.step(phase)
    ema.update_parameters(model)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """The state of a run after one step at a learning rate of 5e-4."""
    model, ema, optimizers = run = parts(0)
    optimizers.lr = 5e-4
    step(run, seed=0)
    save_state(tmp_path / "state", model, ema, optimizers, State(1, 4, 2.5))
    return tmp_path / "state"


def test_a_resumed_run_continues_to_the_bit(saved: Path) -> None:
    uninterrupted, resumed = parts(0), parts(1)
    uninterrupted[2].lr = 5e-4
    step(uninterrupted, seed=0)
    assert load_state(saved, *resumed) == State(1, 4, 2.5)
    for run in (uninterrupted, resumed):
        step(run, seed=1)
    for a, b in zip(uninterrupted[:2], resumed[:2], strict=True):
        assert all(torch.equal(value, b.state_dict()[name]) for name, value in a.state_dict().items())


def test_after_a_resume_the_style_prior_still_learns_at_its_multiple(saved: Path) -> None:
    model, ema, optimizers = parts(1)
    load_state(saved, model, ema, optimizers)
    assert optimizers.lr == pytest.approx(5e-4)
    optimizers.lr = 2e-4
    prior = set(model.decoder["prior"].parameters())  # type: ignore[union-attr]
    rates = {
        parameter: group["lr"]
        for adam in optimizers.adam.values() for group in adam.param_groups for parameter in group["params"]
    }  # fmt: skip
    assert set(rates) == set(model.parameters())
    for parameter, rate in rates.items():
        assert rate == pytest.approx(2e-4 * (PRIOR_LR if parameter in prior else 1))


@pytest.mark.parametrize("other", [None, FORMAT - 1, FORMAT + 1])
def test_a_state_of_another_format_is_one_line_of_error(saved: Path, other: int | None) -> None:
    trainer = checkpoint.load(saved, [], ["trainer"])[1]["trainer"] | {"format": other}
    if other is None:
        del trainer["format"]
    checkpoint.save(saved, {}, {"trainer": trainer})
    with pytest.raises(UsageError) as caught:
        load_state(saved, *parts(1))
    message = str(caught.value)
    assert str(FORMAT) in message and "--out" in message and "\n" not in message


def test_a_state_of_other_domains_is_one_line_of_error(saved: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_state(saved, *parts(1, domains=("a", "c")))
    assert "--out" in str(caught.value) and "\n" not in str(caught.value)


def test_a_run_is_finished_once_its_budget_is_spent(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    assert finished(run)
    recipe = run / "recipe.toml"
    assert "images = 400" in recipe.read_text()
    recipe.write_text(recipe.read_text().replace("images = 400", "images = 4000"))
    assert not finished(run)


def test_a_run_that_has_saved_nothing_is_not_finished(trained: Path, tmp_path: Path) -> None:
    assert not finished(tmp_path)
    shutil.copy(trained / "recipe.toml", tmp_path)
    assert not finished(tmp_path)
