"""A command starts fast: it loads no library that it does not use. New processes tell, by what they have loaded."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

LIGHT = {"torch", "numpy", "PIL"}
NEVER = {"torch._dynamo", "sympy", "torchvision", "scipy", "skimage", "kornia", "albumentations", "cv2", "accelerate"}
"""What takes a second or so to load, and neither reading images nor translating them needs."""

START = """
import contextlib, importlib, io, json, pkgutil, sys

def modules(room):
    for module in pkgutil.iter_modules(importlib.import_module(room).__path__, f"{room}."):
        if "published" not in module.name:
            importlib.import_module(module.name)

def run(*words):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        app([str(word) for word in words])

def stage(name):
    stages[name] = sorted(sys.modules)

stages, given = {}, sys.argv[1:]
"""

WITHOUT_TORCH = """
import sivae_translate
stage("import")
import sivae_translate.recipe
stage("recipe")
from sivae_translate.cli import app
run("--help")
for name in ("train", "run", "sample", "evaluate", "check"):
    run(name, "--help")
stage("help")
from sivae_translate.cli.common import newest_run
assert newest_run()
stage("newest run")
modules("sivae_translate.datasets")
stage("datasets")
run("check", given[0], "--no-estimate")
stage("check")
print(json.dumps(stages))
"""

TRANSLATING = """
from sivae_translate.cli import app
modules("sivae_translate.data")
stage("data")
from sivae_translate import Translator
model, image = given
Translator.from_pretrained(model, device="cpu")(image, to="car000")
stage("translator")
run("sample", "--model", model, "--device", "cpu", "--out", "samples.png")
stage("sample")
run("run", image, "--model", model, "--device", "cpu", "--out", "translated")
stage("run")
print(json.dumps(stages))
"""


def loaded(program: str, folder: Path, *given: Path) -> dict[str, set[str]]:
    """What a new process in this folder has loaded at each stage of a program."""
    words = [sys.executable, "-c", START + program, *map(str, given)]
    ran = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return {stage: set(names) for stage, names in json.loads(ran.stdout).items()}


def test_a_command_that_needs_no_torch_loads_none(trained: Path, cars: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/cars").symlink_to(trained)
    stages = loaded(WITHOUT_TORCH, tmp_path, cars / "train")
    assert stages["import"] & (LIGHT | {"typer", "rich", "pydantic"}) == set()
    for stage in ("recipe", "help"):
        assert stages[stage] & (LIGHT | NEVER) == set(), stage
    for stage in ("newest run", "datasets", "check"):
        assert stages[stage] & ({"torch"} | NEVER) == set(), stage
    assert "PIL" in stages["check"]


def test_translating_an_image_loads_no_more_than_it_needs(trained: Path, cars: Path, tmp_path: Path) -> None:
    assert all(map(importlib.util.find_spec, NEVER))
    image = next((cars / "test").rglob("*.png"))
    stages = loaded(TRANSLATING, tmp_path, trained, image)
    assert list(tmp_path.iterdir()) and "torch" in stages["data"]
    for stage, names in stages.items():
        assert names & NEVER == set(), stage
