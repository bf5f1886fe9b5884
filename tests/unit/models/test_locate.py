"""Finding a model: folders win, names are tried where no folder can be meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sivae_translate.errors import UsageError
from sivae_translate.models.hub import HubName, hub_name
from sivae_translate.models.locate import SHIPPED, by_name, locate, shipped_models


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("me/cars", HubName("me/cars")),
        ("me/cars-64.v2@v1.0", HubName("me/cars-64.v2", "v1.0")),
        ("me/cars@refs/pr/1", HubName("me/cars", "refs/pr/1")),
        ("cars", None),
        ("runs/cars/model", None),
        ("/runs/cars", None),
        ("../cars", None),
        ("me/cars\n", None),
        ("me/ca rs", None),
        ("me/cars@", None),
    ],
)
def test_a_name_is_a_user_a_slash_and_a_repository(text: str, name: HubName | None) -> None:
    assert hub_name(text) == name


def test_a_folder_wins_over_a_shipped_model(
    untrained: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    notes = list[str]()
    assert by_name("cars", note=notes.append) == SHIPPED / "cars"
    Path("cars/train").mkdir(parents=True)  # as `sivae-translate cars cars` writes, which is no model
    assert by_name(Path("cars"), note=notes.append) == SHIPPED / "cars" and "no model" in notes[-1]
    untrained("style", "a", "b").rename("cars/model")
    assert by_name("cars", note=notes.append) is None and locate("cars") == Path("cars/model")
    assert len(notes) == 2


def test_a_folder_wins_over_a_name_and_its_neighbours_are_paths(
    untrained: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = untrained("style", "a", "b")
    Path("me").mkdir()
    model.rename("me/cars")
    assert locate("me/cars") == Path("me/cars")
    assert locate("me/card") == Path("me/card")  # the loader tells that it does not exist
    with pytest.raises(UsageError, match="revision"):
        locate("me/cars", "v1")
    with pytest.raises(UsageError, match="revision"):
        locate("others/cars@v1", "v2")


def test_every_shipped_model_is_small() -> None:
    assert shipped_models() == ["cars"]
    for name in shipped_models():
        assert sum(path.stat().st_size for path in (SHIPPED / name).iterdir()) < 6e6


@pytest.mark.parametrize("name", [3, None, ["cars"]])
def test_what_is_neither_text_nor_path_is_an_error(name: object) -> None:
    with pytest.raises(UsageError, match="expected a path or a name"):
        locate(name)  # type: ignore[arg-type]
