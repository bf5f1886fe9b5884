"""The house keeps its arrows: who may import whom, read from the source."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import sivae_translate

PACKAGE = Path(sivae_translate.__file__).parent
EVERYTHING = {"training.run", "training", "cli", "demo", "__init__", "__main__"}

# Room -> the rooms it may import, beside itself and errors. training.run, demo and cli wire things together.
ALLOWED = {
    "errors": set(),
    "types": set(),
    "recipe": set(),
    "checkpoint": set(),
    "data": {"types"},
    "models": {"types", "checkpoint"},
    "objectives": {"types"},
    "training.loop": {"types", "training.state"},
    "training.state": set(),
    "training.log": set(),
    "training.augment": {"types"},
    "training.device": {"recipe"},
    "training.stop": {"signals"},
    "training.saved": {"checkpoint", "recipe", "training.loop", "training.state"},
    "training.settle": {"data", "objectives", "recipe", "training.device"},
    "training.watch": {"recipe", "training.log", "training.loop", "training.state"},
    "training.fitting": {"data", "types"},
    "training.grids": {"types", "latent.mixing"},
    "translator": {
        "models",
        "data",
        "types",
        "folder",
        "training.device",
        "evaluation.ood",
        "latent.feedback",
        "latent.paths",
        "latent.search",
    },
    "folder": {"data", "manifest", "translator", "threshold", "training.log"},
    "manifest": set(),
    "threshold": {"checkpoint", "models.pretrained", "recipe"},
    "evaluation": {"data", "translator", "latent.search"},
    "evaluation.directions": {"types", "translator"},
    "evaluation.encoded": {"data", "types", "translator"},
    "evaluation.ood": {"types", "objectives.functional"},
    "evaluation.detection": {"data", "types", "extras", "folder", "translator"},
    "evaluation.extractors": {"data", "extras"},
    "evaluation.perceptual": {"data", "extras"},
    "evaluation.probes": {"extras"},
    "evaluation.report": {"data", "extras", "translator", "types"},
    "evaluation.fidelity": {"data", "extras", "latent.files", "translator"},
    "latent": {"types"},
    "latent.search": {"types", "objectives.functional"},
    "latent.direction": {"types", "checkpoint", "data", "models.pretrained", "threshold"},
    "latent.files": {"types", "data", "evaluation.pictures", "folder", "translator"},
    "extras": set(),
    "toy": {
        "types",
        "recipe",
        "checkpoint",
        "extras",
        "models",
        "objectives",
        "training.device",
        "training.log",
        "training.loop",
        "training.state",
    },
    "environment": {"training.device"},
    "signals": set(),
    "terminal": {"signals"},
}
HEAVY = {"torch", "torchvision", "kornia", "albumentations", "accelerate", "scipy", "skimage", "numpy", "PIL"}


def rooms(path: Path) -> list[str]:
    """The names a file may go by in the table, the most particular first."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return [".".join(parts), parts[0]]


def imports(path: Path, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows(path: Path) -> None:
    names = rooms(path)
    if EVERYTHING & set(names) and not set(names) & (set(ALLOWED) - {"training"}):
        return
    allowed = next((ALLOWED[name] for name in names if name in ALLOWED), None)
    assert allowed is not None, f"{names[0]} is in no room: give it one in ALLOWED"
    for module in imports(path):
        if not module.startswith("sivae_translate."):
            continue
        target = module.removeprefix("sivae_translate.")
        inside = {"errors", names[1]} | allowed if names[1] != "training" else {"errors"} | allowed
        assert any(target == room or target.startswith(f"{room}.") for room in inside), f"{names[0]} imports {target}"


def test_the_command_line_imports_nothing_heavy() -> None:
    for name in (
        *(f"cli/{path.name}" for path in (PACKAGE / "cli").glob("*.py")),
        "terminal.py",
        "errors.py",
        "recipe.py",
        "__init__.py",
    ):
        heavy = {module.split(".")[0] for module in imports(PACKAGE / name, top_level_only=True)} & HEAVY
        assert not heavy, f"{name} imports {heavy} before it knows what is asked for"


def test_nothing_is_ever_unpickled() -> None:
    for path in FILES:
        assert not {module.split(".")[0] for module in imports(path)} & {"pickle", "dill", "joblib", "cloudpickle"}
        assert not re.search(r"(?<!safetensors\.)torch\.load\((?!.*\bweights_only=True\))", path.read_text()), path
