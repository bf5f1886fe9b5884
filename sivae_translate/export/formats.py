"""File formats of exported graphs: each writes a graph to a file, and runs such a file."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sivae_translate.export.graphs import Graph
from sivae_translate.extras import require

OPSET = 18  # of ONNX; later ones add nothing that our graphs use, and fewer programs run them
BATCH_NAME = "batch"

Run = Callable[[Sequence[Tensor]], list[Tensor]]
"""Runs a graph: its inputs in order -> its outputs in order."""


class Format(NamedTuple):
    """A format of files.

    Attributes:
        suffix: of a file's name.
        packages: those that write and run a file, beside torch.
        write: writes a graph to a new file.
        load: the function in a file.
    """

    suffix: str
    packages: tuple[str, ...]
    write: Callable[[Graph, Path], None]
    load: Callable[[Path], Run]


def write_onnx(graph: Graph, path: Path) -> None:
    """Write an ONNX file of opset `OPSET`. Weights of more than 2 GB go to a second file, `<name>.data`."""
    with quiet():
        program = torch.onnx.export(
            graph.module,
            tuple(graph.inputs.values()),
            dynamo=True,
            opset_version=OPSET,
            input_names=[*graph.inputs],
            output_names=[*graph.outputs],
            dynamic_shapes=tuple({0: BATCH_NAME} for _ in graph.inputs),
            verbose=False,
        )
    assert program is not None
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # they hold the paths of our source files on this machine
    program.save(str(path))


def load_onnx(path: Path) -> Run:
    onnxruntime = require("onnxruntime", "onnx")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]

    def run(inputs: Sequence[Tensor]) -> list[Tensor]:
        given = dict(zip(names, (each.numpy() for each in inputs), strict=True))
        return [torch.from_numpy(each) for each in session.run(None, given)]

    return run


def write_torch_export(graph: Graph, path: Path) -> None:
    """Write an archive of `torch.export`, which `torch.export.load` reads without this package."""
    shapes = tuple({0: torch.export.Dim(BATCH_NAME, min=1)} for _ in graph.inputs)
    with quiet():
        program = torch.export.export(graph.module, tuple(graph.inputs.values()), dynamic_shapes=shapes)
        for part in program.graph_module.modules():
            for node in part.graph.nodes if isinstance(part, torch.fx.GraphModule) else ():
                node.meta.pop("stack_trace", None)  # as for ONNX
        torch.export.save(program, str(path))


def load_torch_export(path: Path) -> Run:
    with quiet():
        module = torch.export.load(str(path)).module()

    def run(inputs: Sequence[Tensor]) -> list[Tensor]:
        with torch.no_grad():
            return list(module(*inputs))

    return run


FORMATS = {
    "onnx": Format(".onnx", ("onnx", "onnxscript", "onnxruntime"), write_onnx, load_onnx),
    "torch-export": Format(".pt2", (), write_torch_export, load_torch_export),
}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Run a block without warnings and logs of torch and its exporter, which tell developers of torch about it."""
    logger = logging.getLogger("torch")
    level: Any = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)
