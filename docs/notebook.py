"""The notebook as a page of the documentation site: building the site runs its cells, and an error ends the build."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient


def page(file: Path) -> tuple[str, dict[str, bytes]]:
    """The Markdown of a notebook with its outputs, and its pictures by file name."""
    notebook = nbformat.read(file, as_version=4)
    NotebookClient(notebook, timeout=300).execute()
    lines, pictures = [f"*[Download this notebook]({file.name})*"], dict[str, bytes]()
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            lines.append(cell.source)
            continue
        lines.append(f"```python\n{cell.source}\n```")
        for shown in map(best, filter(is_result, cell.outputs)):
            if isinstance(shown, bytes):
                name = f"notebook-{len(pictures) + 1}.png"
                pictures[name] = shown
                lines.append(f"![Output of the cell above]({name})")
            else:
                lines.append(f"```text\n{shown.rstrip()}\n```")
    lines[:2] = reversed(lines[:2])  # the title first
    return "\n\n".join(lines) + "\n", pictures


def is_result(output: Any) -> bool:
    """Not a warning of another package, nor a note, which go to stderr."""
    return output.output_type != "stream" or output.name == "stdout"


def best(output: Any) -> str | bytes:
    """An output of a cell: a PNG, or else text."""
    if output.output_type == "stream":
        return str(output.text)
    if "image/png" in output.data:
        return base64.b64decode(output.data["image/png"])
    return str(output.data["text/plain"])
