"""What training may replace in the directory of a run, and how a resumed run may differ."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sivae_translate.errors import UsageError
from sivae_translate.recipe import Recipe, dump_recipe, load_recipe
from sivae_translate.training.constructors import complete
from sivae_translate.training.directory import MARK, check_directory, write_recipe


def recipe(*overrides: str) -> Recipe:
    return complete(load_recipe("tiny", overrides))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The directory of a run that has a state."""
    write_recipe(tmp_path / "recipe.toml", recipe())
    (tmp_path / "state").mkdir()
    return tmp_path


def refused(run: Path, wanted: Recipe, *parts: str, allow_changed: bool = False) -> None:
    before = {path: path.read_text() for path in run.iterdir() if path.is_file()}
    with pytest.raises(UsageError) as caught:
        check_directory(run, wanted, allow_changed)
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)
    assert {path: path.read_text() for path in run.iterdir() if path.is_file()} == before


def written(run: Path, wanted: Recipe) -> str:
    check_directory(run, wanted)
    write_recipe(run / "recipe.toml", wanted)
    return (run / "recipe.toml").read_text()


def test_a_recipe_of_a_run_begins_with_a_mark_and_reads_as_it_was(tmp_path: Path) -> None:
    assert written(tmp_path, recipe()).startswith(MARK)
    assert complete(load_recipe(tmp_path / "recipe.toml")).sections() == recipe().sections()


@pytest.mark.parametrize(
    "text",
    [
        "# mine\n" + dump_recipe(recipe("training.lr=0.1")),
        dump_recipe(recipe("training.lr=0.1")),
        MARK + dump_recipe(recipe("training.lr=0.1")).replace("lr = 0.1", "lr = 0.1  # best so far"),
        "[cake]\nflour = 500\n",
        "not TOML",
        "",
    ],
)
def test_a_recipe_that_no_run_wrote_is_not_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / "recipe.toml").write_text(text)
    refused(tmp_path, recipe(), str(tmp_path / "recipe.toml"), "--out")


def test_a_recipe_with_comments_that_says_the_same_is_left_as_it_is(tmp_path: Path) -> None:
    text = "# mine\n" + dump_recipe(recipe())
    (tmp_path / "recipe.toml").write_text(text)
    assert written(tmp_path, recipe()) == text


@pytest.mark.parametrize("mark", [MARK, ""])
def test_a_resumed_run_replaces_its_own_recipe_also_of_an_earlier_version(run: Path, mark: str) -> None:
    older = dump_recipe(recipe()).replace("samples = 8\n", "")  # a setting that it did not know
    (run / "recipe.toml").write_text(mark + older)
    assert "images = 9" in written(run, recipe("training.images=9"))


def test_an_unmarked_recipe_of_the_same_settings_is_a_run_s_own(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(dump_recipe(recipe()))
    assert written(tmp_path, recipe()).startswith(MARK)


def test_comments_in_the_recipe_of_a_resumed_run_are_not_deleted(run: Path) -> None:
    path = run / "recipe.toml"
    path.write_text(path.read_text() + "# a note\n")
    refused(run, recipe("training.images=9"), "comments")
    check_directory(run, recipe())


@pytest.mark.parametrize("change", ["training.lr=0.5", "training.clip=0.5", "data.batch=8", "data.workers=3"])
def test_a_few_settings_may_change_where_it_is_allowed(run: Path, change: str) -> None:
    refused(run, recipe(change), change.partition("=")[0], "--allow-changed")
    check_directory(run, recipe(change), allow_changed=True)


@pytest.mark.parametrize("change", ["data.size=64", "model.width=32", "objective.beta_kl=0.5", "training.seed=3"])
def test_other_settings_may_never_change(run: Path, change: str) -> None:
    for allowed in (False, True):
        refused(run, recipe(change, "training.lr=0.5"), change.partition("=")[0], allow_changed=allowed)
    with pytest.raises(UsageError) as caught:
        check_directory(run, recipe(change))
    assert "--allow-changed" not in str(caught.value)


@pytest.mark.parametrize("kept", ["state-before", None])
def test_a_model_without_a_state_is_not_trained_over(run: Path, kept: str | None) -> None:
    (run / "model").mkdir()
    shutil.rmtree(run / "state")
    if kept:
        (run / kept).mkdir()
        check_directory(run, recipe())
    else:
        refused(run, recipe(), "state", "--out")


def test_a_state_without_a_recipe_is_one_line(run: Path) -> None:
    (run / "recipe.toml").unlink()
    refused(run, recipe(), "recipe.toml", "--out")


@pytest.mark.parametrize(("name", "text"), [("results.csv", "name,score\na,1\n"), ("log.jsonl", '{"event": 1}\n')])
def test_a_log_of_something_else_is_not_changed(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    refused(tmp_path, recipe(), name, "--out")


@pytest.mark.parametrize(("name", "text"), [("results.csv", "images,sec"), ("log.jsonl", '{"ima'), ("log.jsonl", "")])
def test_a_log_that_was_cut_off_is_a_run_s_own(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    check_directory(tmp_path, recipe())
