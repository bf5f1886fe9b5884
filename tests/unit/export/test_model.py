"""Export: files that agree with PyTorch are kept, others are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.export import model as module
from sivae_translate.export.formats import FORMATS, Format, Run, load_onnx
from sivae_translate.export.graphs import Graph, graphs_of
from sivae_translate.export.model import export_model
from sivae_translate.export.verification import differences
from sivae_translate.inference.translator import Translator


def fake(error: float) -> Format:
    """A format whose files are empty, and whose functions are the graphs, but for an error of the decoder's."""
    written = dict[Path, Graph]()

    def write(graph: Graph, path: Path) -> None:
        path.touch()
        written[path] = graph

    def load(path: Path) -> Run:
        def run(inputs: Sequence[Tensor]) -> list[Tensor]:
            found = list(written[path].module(*inputs))
            return [each + error for each in found] if path.name == "decoder.fake" else found

        return run

    return Format(".fake", (), write, load)


def test_files_that_agree_are_kept(translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "fake", fake(5e-4))
    about = export_model(translator, tmp_path / "out", format="fake")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "encoder.fake", "decoder.fake", "translation.fake", "export.json",
    }  # fmt: skip
    found = about["verification"]["largest_difference"]
    assert found["encoder"] == found["translation"] == 0
    assert found["decoder"] == pytest.approx(5e-4, rel=1e-3)


@pytest.mark.parametrize("error", [2e-3, float("nan")])
def test_files_that_differ_are_not_kept(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: float
) -> None:
    monkeypatch.setitem(FORMATS, "fake", fake(error))
    with pytest.raises(SivaeError, match=r"decoder\.fake differs from PyTorch"):
        export_model(translator, tmp_path / "out", format="fake")
    assert list(tmp_path.iterdir()) == []


def test_an_exporter_that_fails_leaves_nothing(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(*_: object) -> None:
        raise ImportError("No module named 'onnxscript.torch_9'\nand more")

    monkeypatch.setitem(FORMATS, "fake", Format(".fake", (), write, load_onnx))
    with pytest.raises(SivaeError, match=r"encoder cannot be exported \(No module .*torch_9'\): update with: pip"):
        export_model(translator, tmp_path / "out", format="fake")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_an_error(translator: Translator, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="never overwritten"):
        export_model(translator, tmp_path)


def test_a_missing_package_is_an_error(translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "onnx", FORMATS["onnx"]._replace(packages=("onnx_that_is_missing",)))
    with pytest.raises(UsageError, match=r"pip install 'sivae-translate\[onnx\]'"):
        export_model(translator, tmp_path / "out")


def test_an_output_of_another_shape_differs_infinitely() -> None:
    assert list(differences([torch.zeros(2, 3)], [torch.zeros(1, 3)])) == [torch.inf]


def agrees(run: Run, graph: Graph, rows: int) -> bool:
    inputs = [torch.rand(rows, *each.shape[1:]) for each in graph.inputs.values()]
    return all(difference < 1e-5 for difference in differences(graph.module(*inputs), run(inputs)))


def test_onnxruntime_runs_a_graph_at_any_batch(
    translator: Translator, tmp_path: Path, no_stack_traces: Callable[[Path], None]
) -> None:
    """The encoder alone, as each graph takes seconds to write; the slow tests write all."""
    graph = graphs_of(translator.model)["encoder"]
    file = tmp_path / "encoder.onnx"
    FORMATS["onnx"].write(graph, file)
    no_stack_traces(file)
    assert agrees(load_onnx(file), graph, 1) and agrees(load_onnx(file), graph, 7)


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("style", {}),
        ("style", {"content_stride": 4, "patch": 1}),
        ("conv", {}),
        ("synthesis", {"mapping": 1}),
    ],
)
def test_every_model_exports_in_every_format(
    untrained: Callable[..., Path],
    tmp_path: Path,
    cars: Path,
    no_stack_traces: Callable[[Path], None],
    format: str,
    kind: str,
    settings: dict[str, Any],
) -> None:
    translator = Translator.from_pretrained(untrained(kind, "a", "b", **settings), device="cpu")
    views = sorted((cars / "unseen/car003").iterdir())[:3]
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    about = export_model(translator, tmp_path / "out", format=format, verify=[str(view) for view in views])
    assert torch.equal(torch.get_rng_state(), before[0]) and (np.random.get_state()[1] == before[1]).all()
    assert max(about["verification"]["largest_difference"].values()) < 1e-4
    for name, graph in graphs_of(translator.model).items():
        file = tmp_path / "out" / about["graphs"][name]["file"]
        no_stack_traces(file)
        assert agrees(FORMATS[format].load(file), graph, 1) and agrees(FORMATS[format].load(file), graph, 7)


@pytest.fixture
def no_stack_traces() -> Callable[[Path], None]:
    """Asserts that a file holds no path of our source files."""
    here = str(Path(module.__file__).parent.parent).encode()

    def check(file: Path) -> None:
        assert here not in file.read_bytes()

    return check
