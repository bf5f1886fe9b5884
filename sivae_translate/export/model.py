"""Export a model: write its graphs, run them beside PyTorch, and keep the files only where both agree."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from sivae_translate.atomic import atomic_directory
from sivae_translate.errors import SivaeError, UsageError, did_you_mean, one_line, shown
from sivae_translate.export.formats import FORMATS, Format
from sivae_translate.export.graphs import Graph, graphs_of
from sivae_translate.export.sidecar import FILE, as_json, describe
from sivae_translate.export.verification import LIMIT, RANDOM, batches_of, built_in_cars, inputs_of, largest_difference
from sivae_translate.extras import require
from sivae_translate.host import own_torch_state
from sivae_translate.inference.prepare import Picture
from sivae_translate.inference.translator import Translator
from sivae_translate.progress import Display, Silent
from sivae_translate.reports import free_name, require_writable

UPDATE = "update with: pip install --upgrade torch onnx onnxscript onnxruntime"


@own_torch_state()
def export_model(
    translator: Translator,
    out: str | Path,
    *,
    format: str = "onnx",
    verify: Picture | Sequence[Picture] | None = None,
    display: Display | None = None,
) -> dict[str, Any]:
    """Write encoder, decoder and translation as files that run without this package, and verify them.

    A model with a single latent has no styles, and gets no translation. Any size of batch runs, in float32.

    Args:
        translator: the model.
        out: a new folder, which appears when all files are verified.
        format: "onnx", which needs the extra `onnx`, or "torch-export".
        verify: real images on which the files must agree with PyTorch [the built-in cars]; random images always must.

    Returns:
        The contents of `export.json` in the folder: files with their inputs and outputs, form of the images, domains
        with their styles, versions, and the largest difference from PyTorch of each file.

    Raises:
        UsageError: a folder that exists or cannot be written, no such format, or a missing package.
        SivaeError: a file differs from PyTorch by more than 1e-3. No file is kept.
    """
    out, display, chosen = Path(out), display or Silent(), format_of(format)
    if os.path.lexists(out):
        raise UsageError(
            f"{shown(out)} exists, and is never overwritten: choose another with --out {shown(free_name(out))}"
        )
    require_writable(out.parent)
    images = translator.prepare(built_in_cars(translator.frame.size) if verify is None else verify).cpu()
    graphs = graphs_of(translator.model)
    about = describe(translator, graphs, format)
    with atomic_directory(out) as folder:
        about["verification"] = verified(folder, chosen, graphs, images, display)
        about["verification"]["images"] = "built-in cars" if verify is None else len(images)
        (folder / FILE).write_text(as_json(about), encoding="utf-8")
    return about


def format_of(name: str) -> Format:
    """The format of a name. Raises UsageError for an unknown one, or where its packages are missing."""
    if name not in FORMATS:
        raise UsageError(f"cannot export to {name!r}: {did_you_mean(name, list(FORMATS))}")
    for package in FORMATS[name].packages:
        require(package, "onnx")
    return FORMATS[name]


def verified(
    folder: Path, chosen: Format, graphs: dict[str, Graph], images: Tensor, display: Display
) -> dict[str, Any]:
    """Write all graphs, and return the largest difference of each. Raises SivaeError for one above `LIMIT`."""
    inputs = [inputs_of(graphs, batch) for batch in batches_of(images)]
    found = {}
    for done, (name, graph) in enumerate(graphs.items()):
        display.step(done / len(graphs), f"exporting the {name}")
        file = folder / f"{name}{chosen.suffix}"
        write(chosen, name, graph, file)
        found[name] = largest_difference(graph, chosen.load(file), [each[name] for each in inputs])
        if found[name] > LIMIT:
            differs = f"{file.name} differs from PyTorch by {found[name]:.2g}, expected at most {LIMIT:g}"
            raise SivaeError(f"{differs}: no file is kept; {UPDATE}")
    display.step(1, "verified")
    return {"limit": LIMIT, "largest_difference": found, "random_images": sum(RANDOM)}


def write(chosen: Format, name: str, graph: Graph, file: Path) -> None:
    """Write a graph. Raises SivaeError where the exporter fails, as for an onnxscript that is older than torch."""
    try:
        chosen.write(graph, file)
    except (ImportError, RuntimeError) as error:  # the base class of the errors of torch's exporters
        raise SivaeError(f"the {name} cannot be exported ({one_line(error)}): {UPDATE}") from error
