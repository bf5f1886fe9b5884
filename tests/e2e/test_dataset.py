"""`dataset` writes files as torchvision keeps them to folders that the other commands read."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from expected_errors import refused
from PIL import Image
from synthetic_sets import COUNTS, FIRST, NAMES, write_synthetic

RECIPES = {"cifar10": "cifar10", "fashion-mnist": "mnist", "mnist": "mnist", "svhn": "cifar10"}
FIRST_AND_LAST = {"cifar10": ("airplane", "truck"), "fashion-mnist": ("t-shirt", "ankle-boot")}  # others: digits


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of its own, without a network."""

    def urlopen(request: urllib.request.Request) -> None:
        raise urllib.error.URLError(OSError(-2, "Name or service not known"))

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_a_set_is_written_checked_and_exact_to_the_pixel(cli: Any, name: str) -> None:
    splits = write_synthetic(name, Path("data"))
    written = cli("dataset", name, "set")
    assert written.exit_code == 0, written.output
    train, test = (sum(counts) for counts in COUNTS.values())
    command = f"sivae-translate train --domains set/train --recipe {RECIPES[name]}"
    assert written.stdout == f"written: {train} + {test} images: train with: {command}\n"
    assert f"{train + test} of {train + test} images" in written.stderr

    for split, (images, labels) in splits.items():
        checked = cli("check", f"set/{split}")
        classes = len(set(labels.tolist()))
        assert checked.exit_code == 0 and f"{classes} domains, {len(labels)} images" in checked.stdout
        folders = dict(zip((0, 9), FIRST_AND_LAST.get(name, ("0", "9")), strict=True))
        for label, folder in folders.items():
            paths = sorted(Path("set", split, folder).iterdir())
            assert [path.name for path in paths] == [f"{number:05d}.png" for number in range(len(paths))]
            np.testing.assert_array_equal([np.asarray(Image.open(path)) for path in paths], images[labels == label])
    both = cli("check", "set")
    assert both.exit_code == 0 and f"{train} images" in both.stdout
    assert sorted(os.listdir()) == ["data", "set"]


def damaged(name: str) -> list[object]:
    write_synthetic(name, Path("data"))
    file = Path("data", FIRST[name])
    file.write_bytes(file.read_bytes()[:-9])
    return ["dataset", name, "set"]


def full() -> list[object]:
    write_synthetic("mnist", Path("data"))
    Path("set").mkdir()
    Path("set/mine").touch()
    return ["dataset", "mnist", "set"]


CASES: list[tuple[str, Callable[[], list[object]], int, list[str]]] = [
    *(
        (
            f"no {name}",
            lambda name=name: ["dataset", name, "my set"],
            2,
            [
                f"data/{FIRST[name]} does not exist",
                f"try sivae-translate dataset {name} 'my set' --root data --download",
            ],
        )
        for name in NAMES
    ),
    *(
        (
            f"no {name}, no network",
            lambda name=name: ["dataset", name, "set", "--root", "there", "--download"],
            1,
            ["could not be downloaded", "Name or service not known", "there"],
        )
        for name in NAMES
    ),
    *(
        (f"a truncated {name}", lambda name=name: damaged(name), 1, [f"data/{FIRST[name]}: ", "remove it and fetch it"])
        for name in NAMES
    ),
    ("a full folder", full, 2, ["/set, expected a new or empty folder", "/set-2, or remove"]),
    ("a folder around the files", lambda: ["dataset", "svhn", "."], 2, ["does not hold --root"]),
    ("an unknown name", lambda: ["dataset", "minst", "set"], 2, ["no data set 'minst'", "did you mean mnist"]),
    (
        "an unlike name",
        lambda: ["dataset", "imagenet", "set"],
        2,
        ["'imagenet': known: cifar10, fashion-mnist, mnist, svhn"],
    ),
]


@pytest.mark.parametrize(("arguments", "code", "said"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_bad_input_is_one_line_and_writes_nothing(
    cli: Any, arguments: Callable[[], list[object]], code: int, said: list[str]
) -> None:
    given = arguments()
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    refused(cli(*given), code, *said)
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before
    assert not list(Path().rglob(".tmp-*"))


def test_help_names_the_command(cli: Any) -> None:
    assert "dataset" in cli("--help").stdout
