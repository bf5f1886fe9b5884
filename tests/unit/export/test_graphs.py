"""The exported modules compute what the translator computes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sivae_translate.export.graphs import graphs_of
from sivae_translate.export.sidecar import as_json, describe
from sivae_translate.inference.translator import Translator


def test_the_graphs_are_the_translators_functions(translator: Translator) -> None:
    graphs, x = graphs_of(translator.model), torch.rand(3, 3, 16, 16)
    code = translator.encode(x)
    content, style = graphs["encoder"].module(x)
    assert code.style is not None
    torch.testing.assert_close((content, style), (code.content, code.style))
    torch.testing.assert_close(graphs["decoder"].module(content, style)[0], translator.decode(code))
    other = style.roll(1, 0)
    torch.testing.assert_close(graphs["translation"].module(x, other)[0], translator.translate(x, other))


@pytest.mark.parametrize("name", ["conv", "synthesis"])
def test_a_single_latent_has_no_translation(untrained: Callable[..., Path], name: str) -> None:
    translator = Translator.from_pretrained(untrained(name, "a", "b"), device="cpu")
    graphs = graphs_of(translator.model)
    (content,) = graphs["encoder"].module(torch.rand(3, 3, 16, 16))
    assert graphs["decoder"].module(content)[0].shape == (3, 3, 16, 16)
    about = describe(translator, graphs, "torch-export")
    assert [*about["graphs"]] == ["encoder", "decoder"]
    assert about["style"] is None and about["domains"] == []


def test_the_sidecar_has_the_styles_of_the_domains(translator: Translator) -> None:
    about = describe(translator, graphs_of(translator.model), "torch-export")
    for domain, name in zip(about["domains"], translator.domains, strict=True):
        assert domain["name"] == name
        assert torch.equal(torch.tensor(domain["style"]), translator.style_of(to=name))
    assert about["style"]["correction_rounds"] == 0  # the content is a vector
    assert about["graphs"]["translation"]["inputs"] == {"image": ["batch", 3, 16, 16], "style": ["batch", 64]}


def test_a_layout_has_rounds_of_correction(untrained: Callable[..., Path]) -> None:
    translator = Translator.from_pretrained(untrained("style", "a", "b", content_stride=4, patch=1), device="cpu")
    assert describe(translator, graphs_of(translator.model), "torch-export")["style"]["correction_rounds"] == 2


def test_lists_of_numbers_and_names_take_one_line() -> None:
    text = as_json({"a": [1, 2], "b": [{"c": ["x", 3]}], "d": ["[\n  {"]})
    assert '"a": [1, 2]' in text and '"c": ["x", 3]' in text and r"[\n  {" in text
