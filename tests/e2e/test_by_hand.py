"""Commands as a hand types them: several folders and inputs, one output file, a model in either place, odd names."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_output import expect_error, numbers
from PIL import Image

from sivae_translate.cli.work import default_run


@pytest.fixture
def views(cars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Three views in a folder below the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("my views").mkdir()
    return [Path(shutil.copy(path, "my views")) for path in sorted((cars / "unseen/car003").iterdir())[:3]]


def test_two_folders_of_images_are_trained_on_by_argument_or_option(
    cli: Any, options: Callable[..., list[str]], cars: Path
) -> None:
    a, b = cars / "unseen/car003", cars / "unseen/car004"
    ways = [(a, b), ("--domains", a, "--domains", b), (a, "--domains", b)]
    recipes = [cli("train", *way, "--dry-run", *options()) for way in ways]
    assert [recipe.exit_code for recipe in recipes] == [0, 0, 0] and "[data]" in recipes[0].stdout
    assert recipes[0].stdout == recipes[1].stdout == recipes[2].stdout
    checked = cli("check", a, b)
    assert checked.exit_code == 0 and "car003" in checked.stdout and "car004" in checked.stdout


def test_a_run_is_named_after_its_folders() -> None:
    assert default_run([Path("horse"), Path("zebra/train")]) == Path("runs/horse-zebra")
    assert default_run([Path("x" * 200), Path("y" * 200)]) == Path("runs/train")


def test_several_inputs_keep_their_names(cli: Any, trained: Path, views: list[Path]) -> None:
    result = cli("run", *views[:2], "--model", trained, "--to", "car001", "--out", "out")
    assert result.exit_code == 0 and numbers(result.stdout) == [2]
    assert {path.name for path in Path("out").glob("*.png")} == {path.name for path in views[:2]}
    mixed = cli("run", views[0], "my views", "--model", trained, "--to", "car001", "--out", "mixed")
    assert mixed.exit_code == 0 and numbers(mixed.stdout) == [4]
    assert {path.relative_to("mixed") for path in Path("mixed").rglob("*.png")} == {
        views[0].relative_to("my views"),
        *views,
    }


@pytest.mark.parametrize(("name", "format"), [("b c.png", "PNG"), ("x/b.jpeg", "JPEG"), ("b.webp", "WEBP")])
def test_one_image_is_written_to_the_file_given(
    cli: Any, trained: Path, views: list[Path], name: str, format: str
) -> None:
    command = ("run", views[0], "--model", trained, "--to", "car001", "--out", name)
    result = cli(*command)
    assert result.exit_code == 0 and name in result.stdout
    assert Image.open(name).format == format and Image.open(name).size == (16, 16)
    assert list(Path(name).parent.glob(".tmp*")) == []
    if format == "PNG":
        assert cli(*command[:-1], "folder").exit_code == 0
        assert Path(name).read_bytes() == (Path("folder") / views[0].name).read_bytes()
    expect_error(cli(*command), 2, "exists", "--out")
    again = shlex.split(cli(*command).stderr.split("choose another with ")[1])
    assert again == ["--out", str(Path(name).with_stem(Path(name).stem + "-2"))]


def test_another_target_goes_to_the_next_default_folder_and_the_same_one_continues(
    cli: Any, trained: Path, views: list[Path]
) -> None:
    def run(*words: object) -> Any:
        result = cli("run", ".", "--model", trained, *words)
        assert result.exit_code == 0, result.output
        return result

    assert numbers(run("--to", "car001").stdout) == [3]
    second = run("--to", "car002")  # whose inputs are those of the first, without its translations
    assert numbers(second.stdout) == [3] and "translated-2" in second.stdout and "translated-2" in second.stderr
    assert second.stderr.count("outputs are") == 1
    third = run("--to", "car002", "--styles", "2")
    assert numbers(third.stdout) == [6] and "translated-3" in third.stdout
    assert numbers(run("--to", "car002").stdout) == [0, 3] and numbers(run("--to", "car001").stdout) == [0, 3]
    assert {path.name for path in Path().glob("translated*")} == {"translated", "translated-2", "translated-3"}
    expect_error(cli("run", ".", "--model", trained, "--to", "car000", "--out", "translated"), 2, "--out")


def test_a_folder_with_a_manifest_of_somebody_else_is_translated(
    cli: Any, trained: Path, views: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "my views/manifest.jsonl").write_text("{}\n")
    assert numbers(cli("run", ".", "--model", trained, "--to", "car001").stdout)[0] == 3


def test_the_translations_of_a_share_are_no_inputs_of_another_target(
    cli: Any, trained: Path, views: list[Path]
) -> None:
    for share in ("1/2", "2/2"):
        assert cli("run", ".", "--model", trained, "--to", "car001", "--share", share).exit_code == 0
    assert numbers(cli("run", ".", "--model", trained, "--to", "car002").stdout) == [3]


def test_earlier_translations_may_be_translated_where_they_are_the_input(
    cli: Any, trained: Path, views: list[Path]
) -> None:
    assert cli("run", "my views", "--model", trained, "--to", "car001").exit_code == 0
    again = cli("run", "translated", "--model", trained, "--to", "car002", "--out", "second")
    assert again.exit_code == 0 and numbers(again.stdout)[0] == 3


def test_a_model_is_an_argument_or_an_option(cli: Any, trained: Path, views: list[Path]) -> None:
    for i, way in enumerate([(trained,), ("--model", trained), (trained, "--model", trained)]):
        result = cli("sample", *way, "--count", "1", "--out", f"{i}.png")
        assert result.exit_code == 0, result.output
    ood = cli("ood", "--model", trained, "--in", "my views", "--out-of", "nowhere")
    expect_error(ood, 2, "nowhere")


def test_recipes_are_listed_with_and_without_the_word(cli: Any) -> None:
    assert cli("recipes", "list").stdout == cli("recipes").stdout != ""


def test_printed_commands_quote_names_with_spaces(
    cli: Any, options: Callable[..., list[str]], cars: Path, tmp_path: Path
) -> None:
    drawn = cli("cars", tmp_path / "my cars", "--cars", "2", "--unseen", "2", "--size", "16")
    assert shlex.split(drawn.stdout)[-1] == str(tmp_path / "my cars/train")
    run = tmp_path / "my run"
    trained = cli("train", cars / "train", "--out", run, *options("training.images=16"))
    assert trained.exit_code == 0 and shlex.split(trained.stdout)[-1] == str(run)
    added = cli("add-domain", "my car", cars / "unseen/car003", "--model", run, "--out", tmp_path / "my model")
    assert shlex.split(added.stdout)[-4:] == ["--to", "my car", "--model", str(tmp_path / "my model")]
    missing = cli("run", cars / "unseen", "--model", run, "--reject-ood")
    assert str(run) in shlex.split(missing.stderr)


@pytest.mark.parametrize(
    ("words", "meant"), [(["trian"], "train"), (["recipes", "lst"], "list"), (["run", "x", "--modle", "y"], "--model")]
)
def test_a_misspelt_command_or_option_gets_the_one_meant(cli: Any, words: list[str], meant: str) -> None:
    result = cli(*words)
    assert result.exit_code == 2 and meant in result.output
