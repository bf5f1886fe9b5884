"""The notebook of the documentation runs as plain Python; the build of the site runs it with a kernel."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

NOTEBOOK = Path(__file__).parents[2] / "docs/tutorial.ipynb"


@pytest.fixture(scope="module")
def cells() -> list[dict[str, Any]]:
    found = json.loads(NOTEBOOK.read_text())["cells"]
    return [cell for cell in found if cell["cell_type"] == "code"]


def test_the_cells_run_and_end_in_pictures(
    cells: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = dict[str, Any](__name__="__main__")
    pictures = [shown for cell in cells if isinstance(shown := run("".join(cell["source"]), names), Image.Image)]
    assert len(pictures) >= 8
    assert all(len(set(picture.convert("L").tobytes())) > 20 for picture in pictures)  # not blank
    content, reference, noise = names["bounds"]
    assert min(content, reference) > 0 > noise
    assert {"model", "report.html"} <= set(names["written"])
    assert not list(tmp_path.iterdir())


def run(source: str, names: dict[str, Any]) -> Any:
    """Run a cell, and return the value of its last line if that is an expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names) if isinstance(last, ast.Expr) else None


def test_no_output_is_stored(cells: list[dict[str, Any]]) -> None:
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
