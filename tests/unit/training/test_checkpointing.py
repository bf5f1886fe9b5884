"""The saved state of a run, its errors, and which runs count as finished."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from sivae_translate import checkpoint
from sivae_translate.data.batches import Fingerprint
from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.models.autoencoder import PRIOR_LR, StyleAutoencoder
from sivae_translate.objectives import OBJECTIVES
from sivae_translate.training.checkpointing import States, load_state, save_state
from sivae_translate.training.optimizers import Optimizers, moving_average
from sivae_translate.training.processes import new_accelerator
from sivae_translate.training.state import State
from sivae_translate.training.trainer_file import FORMAT, finished
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


SET = Fingerprint(7, "a" * 64)


def test_other_images_are_one_line_of_error_with_both_numbers_and_the_flag(tmp_path: Path) -> None:
    save_state(tmp_path / "state", *parts(0), State(1, 4, 2.5), SET)
    assert load_state(tmp_path / "state", *parts(1), SET).images == 4
    assert load_state(tmp_path / "state", *parts(1)).images == 4  # on any images
    for other in (Fingerprint(8, "a" * 64), Fingerprint(7, "b" * 64)):
        with pytest.raises(UsageError, match="--allow-changed") as caught:
            load_state(tmp_path / "state", *parts(1), other)
        assert f"7 then, {other.images} now" in str(caught.value)


def test_a_state_of_an_earlier_version_is_resumed(saved: Path) -> None:
    edit(saved, lambda trainer: (trainer.pop("images"), trainer["state"].pop("lr_scale")))
    assert load_state(saved, *parts(1), SET) == State(1, 4, 2.5, lr_scale=1.0)


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change trainer.json, and take away the manifest that would tell."""
    (folder / "manifest.json").unlink()
    trainer = json.loads((folder / "trainer.json").read_text())
    change(trainer)
    (folder / "trainer.json").write_text(json.dumps(trainer))


TAMPERED: dict[str, Callable[[dict[str, Any]], object]] = {
    "no state": lambda t: t.pop("state"),
    "no step": lambda t: t["state"].pop("step"),
    "text": lambda t: t["state"].update(images="many"),
    "negative": lambda t: t["state"].update(images=-1),
    "fraction": lambda t: t["state"].update(step=0.5),
    "nan": lambda t: t["state"].update(seconds=float("nan")),
    "scale": lambda t: t["state"].update(lr_scale=2.0),
    "list": lambda t: t.update(state=[1, 2, 3]),
    "averaged": lambda t: t.update(averaged=-3),
    "huge": lambda t: t.update(averaged=10**30),
    "domains": lambda t: t.update(domains=None),
    "no optimizers": lambda t: t.pop("optimizers"),
    "one optimizer": lambda t: t["optimizers"].pop("decoder"),
    "groups": lambda t: t["optimizers"]["encoder"].update(param_groups=[]),
    "parameters": lambda t: t["optimizers"]["encoder"]["param_groups"][0].update(params="all"),
    "lr": lambda t: t["optimizers"]["encoder"]["param_groups"][0].update(lr="high"),
    "scalars": lambda t: t["optimizers"]["encoder"].update(scalars={"state.999.exp_avg": 3}),
    "images": lambda t: t.update(images=5),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_tampered_state_is_damage_in_one_line(saved: Path, name: str) -> None:
    edit(saved, TAMPERED[name])
    with pytest.raises(SivaeError, match=str(saved)) as caught:
        load_state(saved, *parts(1))
    assert not isinstance(caught.value, UsageError) and "\n" not in str(caught.value)


def test_betas_of_a_state_give_way_to_those_of_the_recipe(saved: Path) -> None:
    edit(saved, lambda t: t["optimizers"]["encoder"]["param_groups"][0].update(betas=["a", "b"], eps="none"))
    run = parts(1)
    load_state(saved, *run)
    assert all(group["betas"] == (0.9, 0.99) for group in run[2].adam["encoder"].param_groups)
    step(run, seed=1)


def images_seen(run: Path) -> int:
    """The images of the state that a resumed run would begin with."""
    return States(run).load(*parts(1))[0].images


def save_twice(run: Path) -> States:
    states = States(run)
    for images in (4, 8):
        states.save(*parts(0), State(1, images, 2.5))
    return states


def truncate(folder: Path) -> None:
    path = folder / "encoder.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def test_a_damaged_state_falls_back_to_the_one_before_and_says_why(tmp_path: Path) -> None:
    states = save_twice(tmp_path)
    assert states.load(*parts(1)) == (State(1, 8, 2.5), "")
    truncate(states.newest)
    state, damage = States(tmp_path).load(*parts(1))
    assert state.images == 4 and str(states.newest) in damage and "\n" not in damage


def test_two_damaged_states_are_one_line_with_a_remedy(tmp_path: Path) -> None:
    states = save_twice(tmp_path)
    truncate(states.newest)
    shutil.rmtree(states.before)
    states.before.mkdir()
    with pytest.raises(SivaeError, match="--out") as caught:
        States(tmp_path).load(*parts(1))
    message = str(caught.value)
    assert str(states.newest) in message and str(states.before) in message and "\n" not in message


def test_a_state_of_other_domains_does_not_fall_back(tmp_path: Path) -> None:
    states = save_twice(tmp_path)
    save_state(states.newest, *parts(0, domains=("a", "c")), State())
    with pytest.raises(UsageError):
        States(tmp_path).load(*parts(1))


def test_the_whole_state_before_outlives_the_save_that_follows_a_damaged_one(tmp_path: Path) -> None:
    """Also where the damaged one has lost its manifest, so that it no longer looks like a checkpoint."""
    save_twice(tmp_path)
    (tmp_path / "state" / "manifest.json").unlink()
    truncate(tmp_path / "state")
    states = States(tmp_path)
    states.load(*parts(1))
    states.save(*parts(0), State(1, 6, 2.5))
    assert images_seen(tmp_path) == 6
    truncate(tmp_path / "state")
    assert images_seen(tmp_path) == 4


class KilledError(BaseException):
    """In place of a signal that cannot be caught."""


@pytest.mark.parametrize("call", ["rmtree", "rename", "replace", "fsync", "write"])
def test_at_every_instant_of_a_save_a_whole_state_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """The program ends before the n-th such call, without any clean-up."""
    owner, name = {"rmtree": (shutil, "rmtree"), "write": (Path, "write_bytes")}.get(call, (os, call))
    real = getattr(owner, name)
    for n in range(50):
        run = tmp_path / f"{call}-{n}"
        states = save_twice(run)
        left = iter(range(n))

        def killed(*arguments: Any, _left: Any = left, **options: Any) -> Any:
            if next(_left, None) is None:
                raise KilledError
            return real(*arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(owner, name, killed)
            try:
                states.save(*parts(0), State(1, 12, 2.5))
                return
            except KilledError:
                pass
        checkpoint.sweep(run)
        assert images_seen(run) in (8, 12)
    raise AssertionError("a save never ended")


def test_a_save_that_fails_leaves_the_newest_state_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = save_twice(tmp_path)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(SivaeError, match="space"):
            states.save(*parts(0), State(1, 12, 2.5))
    assert load_state(states.newest, *parts(1)).images == 8
    states.save(*parts(0), State(1, 16, 2.5))
    assert images_seen(tmp_path) == 16


def test_notes_beside_a_state_outlive_every_save(tmp_path: Path) -> None:
    states = save_twice(tmp_path)
    (states.newest / "notes.txt").write_text("newest")
    (states.before / "old.txt").write_text("before")
    for images in (12, 16, 20):
        states.save(*parts(0), State(1, images, 2.5))
    assert (states.newest / "notes.txt").read_text() == "newest"
    assert (states.before / "old.txt").read_text() == "before"
    assert load_state(states.before, *parts(1)).images == 16


def test_a_state_that_is_no_checkpoint_of_ours_is_set_aside(tmp_path: Path) -> None:
    states = save_twice(tmp_path)
    (states.newest / "manifest.json").unlink()
    truncate(states.newest)
    states = States(tmp_path)
    states.load(*parts(1))
    states.save(*parts(0), State(1, 6, 2.5))
    assert (tmp_path / "state-aside-1" / "encoder.safetensors").exists()


def test_a_state_before_that_cannot_be_replaced_does_not_end_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states, rename = save_twice(tmp_path), os.rename

    def refused(source: Any, target: Any) -> None:
        if Path(source).name == "state-before":
            raise PermissionError(13, "Permission denied")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refused)
    states.save(*parts(0), State(1, 12, 2.5))
    assert load_state(states.newest, *parts(1)).images == 12
    assert load_state(states.before, *parts(1)).images == 4


def test_a_run_whose_states_are_damaged_or_negative_is_not_finished(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    edit(run / "state", lambda trainer: trainer["state"].update(images=[400]))
    assert not finished(run)
    shutil.copytree(trained / "state", run / "state-before")
    assert finished(run)


def test_a_model_whose_states_were_deleted_is_finished(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    for folder in ("state", "state-before"):
        shutil.rmtree(run / folder, ignore_errors=True)
    assert finished(run)


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
