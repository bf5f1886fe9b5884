"""The command `export`, and the programs of docs/export.md, which use its files without this package."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bad_input import Workspace
from command_output import expect_error
from PIL import Image

from sivae_translate.data.images import Frame
from sivae_translate.export import model as export_module
from sivae_translate.inference.translator import Translator
from sivae_translate.models.pretrained import save_model

PAGE = (Path(__file__).parents[2] / "docs/export.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_a_file_that_differs_is_an_error_and_nothing_is_left(
    cli: Any, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(export_module.FORMATS, "onnx", export_module.FORMATS["onnx"]._replace(
        packages=(), write=lambda _, path: path.touch(), load=lambda _: lambda inputs: [inputs[0]] * 2
    ))  # fmt: skip
    before = workspace.files()
    expect_error(cli("export", workspace.trained, "--out", "exported"), 1, "encoder.onnx", "0.001")
    assert workspace.files() == before


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_the_program_of_the_page_translates_as_the_translator_does(
    cli: Any, workspace: Workspace, untrained: Callable[..., Path], fit: str
) -> None:
    model = workspace.trained / "model"
    if fit == "pad":  # a layout, with style correction
        model = untrained("style", "a", "b", content_stride=4, patch=1)
    loaded = Translator.from_pretrained(model, device="cpu")
    save_model(workspace.here / "fitted", loaded.model, loaded.settings, Frame(loaded.frame.size, fit, (10, 200, 30)))
    translator = Translator.from_pretrained(workspace.here / "fitted", device="cpu")
    with Image.open(workspace.view) as picture:
        wide = picture.convert("RGBA").crop((0, 4, 32, 28))
        wide.putpixel((3, 3), (0, 0, 0, 0))
        wide.save("photo.png")
    Image.open(workspace.other).save("reference.png")
    exported = cli("export", "fitted", "--verify", workspace.views)
    assert exported.exit_code == 0 and exported.stdout.count("largest difference") == 3
    subprocess.run([sys.executable, "-I", "-c", PYTHON[0]], check=True, cwd=workspace.here)
    expected = {
        "domain.png": translator("photo.png", to=translator.domains[0]),
        "reference-style.png": translator("photo.png", style="reference.png"),
    }
    for name, picture in expected.items():
        found = np.asarray(Image.open(name)).astype(int)
        assert np.abs(found - np.asarray(picture)).mean() < 1, name


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_archive_of_torch_runs_without_this_package(cli: Any, workspace: Workspace) -> None:
    model = workspace.untrained("conv", "a")
    result = cli("export", model, "--format", "torch-export", "--out", "exported-pt")
    assert result.exit_code == 0 and "single latent" in result.stdout
    about = json.loads(Path("exported-pt/export.json").read_text())
    assert [*about["graphs"]] == ["encoder", "decoder"] and "opset" not in about
    program = PYTHON[1].replace("32, 32", "16, 16").replace("content, style =", "content, =")
    subprocess.run([sys.executable, "-I", "-c", program], check=True, cwd=workspace.here)
