"""Training survives trifles, refuses what would replace other work, and goes back where it diverges."""

from __future__ import annotations

import json
import multiprocessing
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from command_output import expect_error, numbers
from PIL import Image

from sivae_translate.errors import SivaeError
from sivae_translate.progress import Silent
from sivae_translate.training import trainer as trainer_module
from sivae_translate.training.run import train
from sivae_translate.training.stop import InterruptedRunError

Options = Callable[..., list[str]]
Train = Callable[..., Path]


class Screen(Silent):
    """A display that keeps its notes, and acts once the run logs that it has seen a number of images."""

    def __init__(self, images: int = -1, act: Callable[[], object] = lambda: None) -> None:
        self.images, self.act, self.notes = images, act, list[str]()

    def note(self, text: str) -> None:
        self.notes.append(text)

    def step(self, fraction: float, text: str) -> None:
        if text.startswith(f"{self.images} images"):
            self.act()


@pytest.fixture
def domains(cars: Path, tmp_path: Path) -> Path:
    """Two domains of six images each, in set/train."""
    folder = tmp_path / "set" / "train"
    for name in ("car000", "car001"):
        (folder / name).mkdir(parents=True)
        for path in sorted((cars / "train" / name).iterdir())[:6]:
            shutil.copy(path, folder / name)
    return folder


@pytest.fixture
def go(domains: Path, tiny: tuple[str, ...], tmp_path: Path) -> Train:
    """Trains on 64 images of `domains` with a line of the log for each step, in tmp_path/run."""

    def call(*overrides: str, out: str = "run", **options: Any) -> Path:
        settings = [*tiny, "training.images=64", "training.log_every=8", *overrides]
        return train(domains, "tiny", tmp_path / out, set=settings, device="cpu", **options).parent

    return call


def weights(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((run / "state").glob("*.safetensors"))}


def logged(run: Path) -> list[int]:
    return [json.loads(line)["images"] for line in (run / "log.jsonl").read_text().splitlines()]


# --- what a second run would replace --------------------------------------------------------------------------------


def test_folders_called_train_get_runs_of_their_own(
    cli: Any, domains: Path, options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(domains, tmp_path / "other" / "Training")
    for folder in (domains, tmp_path / "other" / "Training"):
        assert cli("train", "--domains", folder, *options("training.images=8")).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["other", "set"]


@pytest.mark.parametrize("change", ["swapped", "removed"])
def test_a_run_is_resumed_on_other_images_only_where_it_is_allowed(
    cli: Any, domains: Path, options: Options, tmp_path: Path, go: Train, change: str
) -> None:
    run = go("training.images=16")
    before = weights(run)
    view, *_ = sorted((domains / "car000").iterdir())
    if change == "swapped":
        Image.open(view).rotate(90).save(view)
    else:
        view.unlink()
    arguments = ("train", "--domains", domains, "--out", run, *options("training.images=24"))
    count = 12 if change == "swapped" else 11
    expect_error(cli(*arguments), 2, "12 then", f"{count} now", "--allow-changed", "--out")
    assert weights(run) == before
    assert cli(*arguments, "--allow-changed").exit_code == 0
    assert weights(run) != before
    assert cli(*arguments).exit_code == 0  # it is the run's set now


def test_a_set_that_was_moved_is_the_same_set(domains: Path, tiny: tuple[str, ...], go: Train) -> None:
    run = go("training.images=16")
    moved = domains.rename(domains.with_name("moved"))
    (moved / "car000" / "zzz.png").write_bytes(next((moved / "car000").iterdir()).read_bytes())
    next(path for path in (moved / "car000").iterdir() if path.name != "zzz.png").unlink()
    train(moved, "tiny", run, set=[*tiny, "training.images=24", "training.log_every=8"], device="cpu")
    assert logged(run) == [8, 16, 24]


def test_a_lower_rate_and_batch_resume_where_they_are_allowed(
    cli: Any, domains: Path, options: Options, go: Train
) -> None:
    run = go("training.images=16")
    changed = options("training.images=24", "training.lr=1e-4", "data.batch=4", "training.log_every=4")
    arguments = ("train", "--domains", domains, "--out", run, *changed)
    expect_error(cli(*arguments), 2, "training.lr", "--allow-changed")
    assert cli(*arguments, "--allow-changed").exit_code == 0
    assert logged(run) == [8, 16, 20, 24]
    assert json.loads((run / "log.jsonl").read_text().splitlines()[-1])["lr"] < 1e-4


def test_a_model_whose_state_was_deleted_is_not_replaced(cli: Any, domains: Path, options: Options, go: Train) -> None:
    run = go("training.images=16")
    for name in ("state", "state-before"):
        shutil.rmtree(run / name, ignore_errors=True)
    model = (run / "model/model.safetensors").read_bytes()
    result = cli("train", "--domains", domains, "--out", run, *options("training.images=16"))
    expect_error(result, 2, run, "state", "--out")
    assert (run / "model/model.safetensors").read_bytes() == model and not (run / "state").exists()


def test_a_recipe_with_comments_in_the_run_s_own_folder_is_kept(
    cli: Any, domains: Path, options: Options, tmp_path: Path
) -> None:
    out = tmp_path / "o"
    out.mkdir()
    text = f"# my notes\n{cli('recipes', 'show', 'tiny').stdout}"
    (out / "recipe.toml").write_text(text)
    arguments = [out / "recipe.toml" if word == "tiny" else word for word in options("training.images=8")]
    expect_error(cli("train", "--domains", domains, "--out", out, *arguments), 2, "recipe.toml", "--out")
    assert [path.name for path in out.iterdir() if path.name != ".lock"] == ["recipe.toml"]
    assert (out / "recipe.toml").read_text() == text


def test_a_damaged_state_resumes_from_the_one_before_and_says_so(go: Train) -> None:
    run = go("training.images=16")
    go("training.images=32")
    path = run / "state/model.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    screen = Screen()
    go("training.images=40", display=screen)
    (note,) = (note for note in screen.notes if note.startswith("resuming"))
    assert 16 in numbers(note) and "state-before" in note and str(path) in note
    assert logged(run) == list(range(8, 41, 8))
    for folder in ("state", "state-before"):
        (run / folder / "trainer.json").write_text("{")
    with pytest.raises(SivaeError, match="--out"):
        go("training.images=48")


# --- trifles --------------------------------------------------------------------------------------------------------


def test_a_full_device_for_the_log_and_a_file_for_the_samples_are_noted(go: Train, tmp_path: Path) -> None:
    run, screen = tmp_path / "run", Screen()
    run.mkdir()
    (run / "results.csv").symlink_to("/dev/full")
    (run / "samples").write_text("a file")
    go(display=screen)
    assert logged(run) == list(range(8, 65, 8))
    assert sum("No space left" in note for note in screen.notes) == 1
    assert sum("samples/" in note for note in screen.notes) == 1


def test_a_reader_of_the_output_that_exits_does_not_stop_training(
    command: Any, domains: Path, options: Options, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    arguments = ("--domains", domains, "--out", run, *options("training.images=160", "training.log_every=8"))
    process = command("train", *arguments)
    assert "%" in process.stderr.readline()
    process.stderr.close()
    process.stderr = None
    assert process.wait() == 0
    assert logged(run)[-1] == 160 and (run / "model/config.json").exists()


def unheld(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images are read again for every batch."""
    monkeypatch.setattr("sivae_translate.data.batches.HELD", 0)


def test_an_image_that_vanishes_during_training_is_named_once(
    go: Train, domains: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unheld(monkeypatch)
    view, *_ = sorted((domains / "car000").iterdir())
    screen = Screen(8, view.unlink)
    run = go("data.workers=0", display=screen)
    assert sum(str(view) in note for note in screen.notes) == 1
    assert logged(run)[-1] == 64


def test_a_domain_that_vanishes_during_training_is_an_error_and_the_run_is_saved(
    go: Train, domains: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unheld(monkeypatch)
    gone = tmp_path / "gone"
    screen = Screen(24, lambda: (domains / "car001").rename(gone))
    with pytest.raises(SivaeError, match="domain car001") as caught:
        go("data.workers=0", display=screen)
    assert "\n" not in str(caught.value)
    gone.rename(domains / "car001")
    screen = Screen()
    assert logged(go("data.workers=0", display=screen))[-1] == 64
    assert any(24 in numbers(note) for note in screen.notes if note.startswith("resuming"))


def test_reading_processes_that_are_killed_change_no_weight(go: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    unheld(monkeypatch)

    def kill() -> None:
        for process in multiprocessing.active_children():
            process.kill()

    screen = Screen(16, kill)
    disturbed = go("data.workers=2", display=screen)
    assert any("process that reads images" in note for note in screen.notes)
    assert weights(disturbed) == weights(go("data.workers=0", out="straight"))


def test_files_and_domains_that_a_user_may_expect_otherwise_are_named(go: Train, domains: Path) -> None:
    for path in sorted((domains / "car000").iterdir())[1:]:
        path.write_text("no image")
    screen = Screen()
    go("training.images=8", display=screen)
    assert any(note.startswith("left out 5") for note in screen.notes)  # in one line
    assert any("car000" in note and "single image" in note for note in screen.notes)


# --- memory ---------------------------------------------------------------------------------------------------------


def small_memory(monkeypatch: pytest.MonkeyPatch, batch: int, after: int = 0) -> None:
    """Memory runs out in steps of more than `batch` rows, once `after` images are seen."""
    real = trainer_module.augment_batch
    seen = [0]

    def augment(rows: Any, *arguments: Any, **options: Any) -> Any:
        if len(rows) > batch and seen[0] >= after:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore lines")
        seen[0] += len(rows)
        return real(rows, *arguments, **options)

    monkeypatch.setattr(trainer_module, "augment_batch", augment)


@pytest.mark.parametrize("batch", [8, 0])
def test_where_memory_runs_out_the_batch_stays_and_is_accumulated(
    go: Train, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    plenty = go(f"data.batch={batch}", "training.accumulate=4", "training.images=32", out="plenty")
    small_memory(monkeypatch, 32 // 4 if batch == 0 else 2)
    screen = Screen()
    run = go(f"data.batch={batch}", "training.images=32", display=screen)
    notes = [note for note in screen.notes if "memory ran out" in note]
    assert [note.partition("accumulate is now ")[2][:1] for note in notes] == ["2", "4"]
    assert f"batch = {batch or 32}\n" in (run / "recipe.toml").read_text()
    assert "accumulate = 4\n" in (run / "recipe.toml").read_text()
    assert weights(run) == weights(plenty)


def test_a_resumed_run_goes_back_to_its_state_and_accumulates(go: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    go("training.images=32", out="plenty")
    plenty = go("training.accumulate=2", out="plenty")
    go("training.images=32")
    small_memory(monkeypatch, 4)
    screen = Screen()
    run = go(display=screen)
    assert ["back to" in note for note in screen.notes if "memory ran out" in note] == [False]
    assert logged(run) == list(range(8, 65, 8))
    assert weights(run) == weights(plenty)


def test_memory_that_runs_out_later_costs_the_steps_since_the_last_save(
    go: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_memory(monkeypatch, 4, after=16)
    screen = Screen()
    run = go(display=screen)
    assert ["back to 0 images" in note for note in screen.notes if "memory ran out" in note] == [True]
    assert logged(run) == list(range(8, 65, 8))


def test_where_a_single_pair_does_not_fit_the_run_ends_with_its_state_saved(
    cli: Any, domains: Path, options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_memory(monkeypatch, 1)
    arguments = ("train", "--domains", domains, "--out", tmp_path / "run", *options("training.images=32"))
    result = cli(*arguments)
    expect_error(result, 1, "first step", "data.size")
    monkeypatch.undo()
    assert cli(*arguments).exit_code == 0
    assert logged(tmp_path / "run")[-1] == 32


def test_where_the_state_cannot_be_saved_the_error_does_not_claim_it(
    go: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise SivaeError("no space left on device")

    small_memory(monkeypatch, 1, after=16)
    monkeypatch.setattr(trainer_module.States, "save", refuse)
    with pytest.raises(SivaeError, match="memory ran out at 16 images, not saved"):
        go("training.accumulate=4", "data.batch=8")


# --- divergence -----------------------------------------------------------------------------------------------------


def poison(monkeypatch: pytest.MonkeyPatch, t: int, times: int) -> None:
    """The t-th batch holds a NaN the first `times` times that it is read."""
    real, left = trainer_module.batches, iter(range(times))

    def poisoned(images: Any, sampler: Any, **options: Any) -> Iterator[Any]:
        for n, batch in enumerate(real(images, sampler, **options), start=sampler.start):
            if n == t and next(left, None) is not None:
                batch.images[0, 0, 0, 0] = float("nan")
            yield batch

    monkeypatch.setattr(trainer_module, "batches", poisoned)


def test_training_that_diverges_goes_back_and_halves_its_rate(go: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    poison(monkeypatch, 5, times=2)
    screen = Screen()
    run = go("training.lr=1e-3", "training.warmup_images=0", display=screen)
    notes = [note for note in screen.notes if "halved" in note]
    assert [note.rsplit(" ", 1)[1] for note in notes] == ["0.0005", "0.00025"]
    assert logged(run) == list(range(8, 65, 8))  # none twice
    first = json.loads((run / "log.jsonl").read_text().splitlines()[0])
    assert first["lr"] == pytest.approx(0.25e-3, rel=0.01)
    assert json.loads((run / "state/trainer.json").read_text())["state"]["lr_scale"] == 0.25


def test_training_that_diverges_again_and_again_ends_with_its_state_saved(
    go: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = go("training.images=32")
    poison(monkeypatch, 6, times=100)
    screen = Screen()
    with pytest.raises(SivaeError, match="--allow-changed") as caught:
        go(display=screen)
    assert "training.lr" in str(caught.value) and 48 in numbers(str(caught.value)) and "\n" not in str(caught.value)
    assert sum("halved" in note for note in screen.notes) == trainer_module.HALVINGS
    trainer = json.loads((run / "state/trainer.json").read_text())
    assert trainer["state"]["images"] == 32 and trainer["state"]["lr_scale"] == 0.5**trainer_module.HALVINGS
    with pytest.raises(SivaeError, match="lower training"):
        go()  # not three more times
    monkeypatch.undo()
    recipe = run / "recipe.toml"  # as a call with another rate leaves it that is killed before it saves
    recipe.write_text(re.sub(r"(?m)^lr = .*$", "lr = 1e-4", recipe.read_text()))
    go("training.lr=1e-4", allow_changed=True)
    assert json.loads((run / "state/trainer.json").read_text())["state"]["lr_scale"] == 1.0


def test_a_run_that_diverges_before_it_saved_anything_leaves_no_state(
    go: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, 0, times=100)
    with pytest.raises(SivaeError, match="lower training"):
        go()
    assert not (tmp_path / "run/state").exists()


# --- signals --------------------------------------------------------------------------------------------------------


def test_a_signal_during_a_save_waits_for_it(go: Train, tmp_path: Path) -> None:
    with pytest.raises(InterruptedRunError):
        go("training.save_minutes=1e-9", display=Screen(8, lambda: signal.raise_signal(signal.SIGTERM)))
    assert not list((tmp_path / "run").glob(".tmp-*")) and (tmp_path / "run/state/manifest.json").exists()
