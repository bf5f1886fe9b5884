"""A model directory: saved models are loaded, and other formats are errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from sivae_translate.checkpoint import MAX_WEIGHT
from sivae_translate.errors import SivaeError
from sivae_translate.models import pretrained
from sivae_translate.models.pretrained import FORMAT, load_model, model_directory, save_model
from sivae_translate.names import names_a_folder


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


def test_half_precision_takes_half_the_bytes_and_loads_as_float32(
    untrained: Callable[..., Path], tmp_path: Path
) -> None:
    full = untrained("style", "a", "b")
    model, settings, frame = load_model(full)
    save_model(tmp_path / "half", model, settings, frame, half=True)
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (full, tmp_path / "half")]
    assert sizes[1] < 0.6 * sizes[0]
    again, *_ = load_model(tmp_path / "half")
    for name, weight in model.state_dict().items():
        assert again.state_dict()[name].dtype == weight.dtype
        torch.testing.assert_close(again.state_dict()[name], weight, rtol=1e-3, atol=1e-4)


def test_a_weight_above_the_range_of_half_precision_is_not_saved(
    untrained: Callable[..., Path], tmp_path: Path
) -> None:
    model, settings, frame = load_model(untrained("style", "a", "b"))
    next(model.parameters()).data.flatten()[0] = 1e5
    with pytest.raises(SivaeError, match="not saved"):
        save_model(tmp_path / "half", model, settings, frame, half=True)
    assert not (tmp_path / "half").exists()


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


@pytest.mark.parametrize("white", [None, 1.0, 255.0, 4294967295.0])
def test_the_white_of_deep_images_is_saved_with_the_frame(
    untrained: Callable[..., Path], white: float | None, tmp_path: Path
) -> None:
    model, settings, frame = load_model(untrained("conv", "a"))
    assert frame.white is None
    save_model(tmp_path / "deep", model, settings, replace(frame, white=white))
    assert load_model(tmp_path / "deep")[2] == replace(frame, white=white)
    assert ("white" in json.loads((tmp_path / "deep" / "config.json").read_text())["frame"]) == (white is not None)


@pytest.mark.parametrize("white", [0, -1, float("nan"), float("inf"), "bright", [255]])
def test_an_impossible_white_is_an_error(untrained: Callable[..., Path], white: Any) -> None:
    directory = untrained("conv", "a")
    config = json.loads((directory / "config.json").read_text())
    config["frame"]["white"] = white
    with pytest.raises(SivaeError, match=r"config\.json"):
        load_model(with_format(directory, **config))


def test_the_format_is_checked_before_the_weights_are_read(untrained: Callable[..., Path]) -> None:
    directory = with_format(untrained("style", "a", "b"), format=FORMAT + 1, model={"name": "of another version"})
    with pytest.raises(SivaeError, match="--upgrade"):
        load_model(directory)


def test_loaded_weights_are_bit_identical(untrained: Callable[..., Path]) -> None:
    first, second = (load_model(untrained("conv", "a"))[0].state_dict() for _ in range(2))
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def with_config(directory: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The directory with another config and no manifest, as of files copied by hand."""
    config = json.loads((directory / "config.json").read_text())
    change(config)
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "manifest.json").unlink()
    return directory


def load_error(directory: Path) -> str:
    with pytest.raises(SivaeError) as caught:
        load_model(directory)
    message = str(caught.value)
    assert str(directory) in message and "\n" not in message and len(message) < 1000
    message.encode()  # no lone surrogate
    return message


@pytest.mark.parametrize(
    "frame",
    [
        {"size": 17},
        {"size": 16.0},
        {"size": "16"},
        {"size": True},
        {"fit": "squeeze"},
        {"fit": None},
        {"fit": ["crop"]},
        {"background": "white"},
        {"background": [255, 255]},
        {"background": [255, 255, 256]},
        {"background": [255, 255, -1]},
        {"background": [255, 255, 1.5]},
        {"background": [True, True, True]},
        {"background": None},
    ],
    ids=str,
)
def test_an_impossible_frame_is_an_error_when_it_is_loaded(
    untrained: Callable[..., Path], frame: dict[str, Any]
) -> None:
    directory = with_config(untrained("conv", "a"), lambda config: config["frame"].update(frame))
    assert next(iter(frame)) in load_error(directory)


def test_a_frame_may_have_further_keys(untrained: Callable[..., Path]) -> None:
    directory = with_config(untrained("conv", "a"), lambda config: config["frame"].update(added="later"))
    assert load_model(directory)[2].size == 16


NAMES = {
    "red": True,
    "\x1b[31mred": True,  # control characters are data
    "a\nb": True,
    "\udcff": True,  # how Python writes a byte that is not UTF-8
    "é" * 127: True,
    "a\ud800": False,
    "é" * 128: False,
    "a/b": False,
    "": False,
    ".": False,
    "..": False,
    "a\0": False,
}


@pytest.mark.parametrize(("name", "possible"), NAMES.items(), ids=map(ascii, NAMES))
def test_a_domain_s_name_must_be_possible_for_a_folder(
    untrained: Callable[..., Path], tmp_path: Path, name: str, possible: bool
) -> None:
    assert names_a_folder(name) == possible
    directory = with_config(untrained("conv", "a"), lambda config: config.update(domains=[name]))
    if possible:
        (tmp_path / name).mkdir()
        assert load_model(directory)[0].domains == (name,)
    else:
        assert "domains" in load_error(directory)


@pytest.mark.parametrize("domains", [[3], [["a"]], [None], {"a": 1}, "ab", [], ["a", "a"]], ids=str)
def test_domains_that_are_no_names_are_an_error(untrained: Callable[..., Path], domains: Any) -> None:
    assert "domains" in load_error(with_config(untrained("conv", "a"), lambda config: config.update(domains=domains)))


@pytest.mark.parametrize(
    "settings",
    [{"width": "16"}, {"width": 16.5}, {"name": "\ud800"}, {"name": "x" * 10**6}, {"name": []}, {"latent": 10**30}],
    ids=lambda settings: str(settings)[:30],
)
def test_impossible_settings_are_one_short_line(untrained: Callable[..., Path], settings: dict[str, Any]) -> None:
    load_error(with_config(untrained("conv", "a"), lambda config: config["model"].update(settings)))


LIMITED = """
import resource, sys
from pathlib import Path
from sivae_translate.errors import SivaeError
from sivae_translate.models.pretrained import load_model
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 500_000_000,) * 2)
try:
    load_model(Path(sys.argv[1]))
except SivaeError as error:
    print(error)
"""


def test_a_large_config_and_a_large_file_are_refused_before_they_take_memory(untrained: Callable[..., Path]) -> None:
    """The settings are possible and give 3 GB of weights; the file has 200 GB. The process has 500 MB left."""
    settings = {"name": "synthesis", "width": 1024, "max_width": 1024, "latent": 4096, "mapping": 16}
    directory = with_config(untrained("synthesis", "a"), lambda config: config.update(model=settings))
    header = json.dumps({"w": {"dtype": "F32", "shape": [50 * 10**9], "data_offsets": [0, 200 * 10**9]}}).encode()
    (directory / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    os.truncate(directory / "model.safetensors", 8 + len(header) + 200 * 10**9)
    command = [sys.executable, "-c", LIMITED, str(directory)]
    assert "does not fit the model" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_number_of_parameters_is_bounded(untrained: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "MAX_PARAMETERS", 10**6)
    many = [str(number) for number in range(1000)]  # a style of 1024 dimensions for each
    directory = with_config(untrained("style", "a", style=1024), lambda config: config.update(domains=many))
    assert f"{10**6:,}" in load_error(directory)


@pytest.mark.parametrize(
    ("dtype", "value"), [(torch.float64, 1e300), (torch.float32, 1e30), (torch.float64, 1e39), (torch.float32, 1.1e6)]
)
def test_weights_that_no_training_gives_are_an_error(
    untrained: Callable[..., Path], dtype: torch.dtype, value: float
) -> None:
    directory = untrained("conv", "a")
    file = directory / "model.safetensors"
    tensors = safetensors.torch.load(file.read_bytes())
    name = next(name for name in tensors if name.startswith("decoder") and name.endswith("weight"))
    tensors[name] = torch.full_like(tensors[name], value, dtype=dtype)
    file.write_bytes(safetensors.torch.save(tensors))
    (directory / "manifest.json").unlink()
    message = load_error(directory)
    assert name in message and f"{MAX_WEIGHT:g}" in message


def test_weights_of_another_precision_are_cast(untrained: Callable[..., Path]) -> None:
    directory = untrained("conv", "a")
    file, expected = directory / "model.safetensors", load_model(directory)[0].state_dict()
    tensors = {name: value.double() for name, value in safetensors.torch.load(file.read_bytes()).items()}
    file.write_bytes(safetensors.torch.save(tensors))
    (directory / "manifest.json").unlink()
    loaded = load_model(directory)[0].state_dict()
    assert all(value.dtype == torch.float32 and torch.equal(value, expected[name]) for name, value in loaded.items())


def test_loading_draws_no_random_number(untrained: Callable[..., Path]) -> None:
    for name in ("conv", "style", "synthesis"):
        directory = untrained(name, "a")
        before = torch.get_rng_state()
        load_model(directory)
        assert torch.equal(torch.get_rng_state(), before)


def test_the_model_of_a_run_is_found_while_it_is_being_replaced(untrained: Callable[..., Path]) -> None:
    """A process died between the two renames of a save."""
    directory = untrained("conv", "a")
    run = directory.parent / "run"
    run.mkdir()
    directory.rename(run / ".old-model-0123abcd-1-0123abcd")
    assert model_directory(run) == run / "model" and load_model(model_directory(run))[0].domains == ("a",)
