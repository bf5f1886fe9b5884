"""`dataset` writes files as torchvision keeps them to folders that the other commands read."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_output import numbers
from PIL import Image
from synthetic_sets import COUNTS, NAMES, write_synthetic

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
    assert command in written.stdout and numbers(written.stdout) == [train, test]

    for split, (images, labels) in splits.items():
        checked = cli("check", f"set/{split}", "--no-estimate")
        classes = len(set(labels.tolist()))
        assert checked.exit_code == 0 and {classes, len(labels)} <= set(numbers(checked.stdout))
        folders = dict(zip((0, 9), FIRST_AND_LAST.get(name, ("0", "9")), strict=True))
        for label, folder in folders.items():
            paths = sorted(Path("set", split, folder).iterdir())
            assert [path.name for path in paths] == [f"{number:05d}.png" for number in range(len(paths))]
            np.testing.assert_array_equal([np.asarray(Image.open(path)) for path in paths], images[labels == label])
    both = cli("check", "set", "--no-estimate")
    assert both.exit_code == 0 and train in numbers(both.stdout)
    assert sorted(os.listdir()) == ["data", "set"]


def test_help_names_the_command(cli: Any) -> None:
    assert "dataset" in cli("--help").stdout
