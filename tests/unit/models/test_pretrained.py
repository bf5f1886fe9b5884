"""A model directory: saved models are loaded, and other formats are errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sivae_translate.errors import SivaeError
from sivae_translate.models.pretrained import FORMAT, load_model


def with_format(directory: Path, **changes: Any) -> Path:
    """The directory with another "format" in its config, or with none where none is given."""
    config = json.loads((directory / "config.json").read_text())
    del config["format"]
    (directory / "config.json").write_text(json.dumps({**config, **changes}))
    (directory / "manifest.json").unlink()  # as of files copied by hand
    return directory


def test_a_model_is_saved_with_its_format_and_loads(untrained: Callable[..., Path]) -> None:
    directory = untrained("style", "a", "b")
    assert json.loads((directory / "config.json").read_text())["format"] == FORMAT
    model, settings, frame = load_model(directory)
    assert (model.domains, settings["name"], frame.size) == (("a", "b"), "style", 16)
    assert not model.training and not any(weight.requires_grad for weight in model.parameters())


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({}, "sivae-translate train"),
        ({"format": FORMAT - 1}, "sivae-translate train"),
        ({"format": "2"}, "sivae-translate train"),
        ({"format": None}, "sivae-translate train"),
        ({"format": FORMAT + 1}, "pip install --upgrade sivae-translate"),
    ],
)
def test_a_model_of_another_format_is_one_line_of_error_with_a_fix(
    untrained: Callable[..., Path], changes: dict[str, Any], advice: str
) -> None:
    directory = with_format(untrained("style", "a", "b"), **changes)
    with pytest.raises(SivaeError) as caught:
        load_model(directory)
    message = str(caught.value)
    assert advice in message and "config.json" in message and "\n" not in message


def test_the_format_is_checked_before_the_weights_are_read(untrained: Callable[..., Path]) -> None:
    directory = with_format(untrained("style", "a", "b"), format=FORMAT + 1, model={"name": "of another version"})
    with pytest.raises(SivaeError, match="--upgrade"):
        load_model(directory)


def test_loaded_weights_are_bit_identical(untrained: Callable[..., Path]) -> None:
    first, second = (load_model(untrained("conv", "a"))[0].state_dict() for _ in range(2))
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
