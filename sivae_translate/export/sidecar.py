"""`export.json` beside exported graphs: all that another program needs to use them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor

from sivae_translate.export.formats import FORMATS, OPSET
from sivae_translate.export.graphs import Graph
from sivae_translate.inference.style_correction import ROUNDS, rounds_for
from sivae_translate.inference.translator import Translator

FILE = "export.json"
FORMAT = 1  # of `export.json`; raised when programs that read the previous format would misread it


def describe(translator: Translator, graphs: Mapping[str, Graph], format: str) -> dict[str, Any]:
    """The contents of `export.json`, but for the verification: files, images, codes, domains and versions."""
    model, (suffix, packages, *_) = translator.model, FORMATS[format]
    about: dict[str, Any] = {
        "made_by": "sivae-translate",
        "export": FORMAT,
        "format": format,
        **({"opset": OPSET} if format == "onnx" else {}),
        "versions": {name: version(name) for name in ("sivae-translate", "torch", *packages)},
        "graphs": {name: {"file": name + suffix, **form_of(graph)} for name, graph in graphs.items()},
        "image": about_images(translator),
        "content": {"shape": list(model.content_shape)},
    }
    return about | (about_styles(translator) if model.style_size else {"style": None, "domains": []})


def form_of(graph: Graph) -> dict[str, Any]:
    """Inputs and outputs of a graph by name, in order, each with its shape."""
    with torch.no_grad():
        outputs = graph.module(*graph.inputs.values())
    return {
        "inputs": {name: shape_of(each) for name, each in graph.inputs.items()},
        "outputs": {name: shape_of(each) for name, each in zip(graph.outputs, outputs, strict=True)},
    }


def shape_of(x: Tensor) -> list[int | str]:
    return ["batch", *x.shape[1:]]


def about_images(translator: Translator) -> dict[str, Any]:
    """The form of input and output images, and how any picture is put into the model's frame."""
    frame = translator.frame
    return {
        "dtype": "float32",
        "layout": "NCHW",
        "channels": "RGB",
        "range": [0, 1],
        "size": frame.size,
        "fit": frame.fit,
        "background": list(frame.background),
        "white": frame.white,
    }


def about_styles(translator: Translator) -> dict[str, Any]:
    """Dimensions of the styles and the prior of every domain.

    A domain's style is the mean of its prior, as `run --to` takes it, without style correction. Random styles of a
    domain are its style + deviation * noise, for standard normal noise. The correction is for styles of references.
    """
    prior = translator.model.prior(torch.arange(len(translator.domains), device=translator.device)).style
    assert prior is not None
    return {
        "style": {
            "size": translator.model.style_size,
            "deviation": numbers(torch.exp(0.5 * prior.logvar[0])),
            "correction_rounds": rounds_for(translator.model, ROUNDS),
        },
        "domains": [{"name": name, "style": numbers(translator.style_of(to=name))} for name in translator.domains],
    }


def numbers(row: Tensor) -> list[float]:
    """float32 `[S]` as the shortest decimals that give the same float32."""
    return [float(str(value)) for value in row.detach().float().cpu().numpy()]


def as_json(about: Mapping[str, Any]) -> str:
    """JSON to read by eye as well: indented, but lists of numbers or names on one line."""
    text = json.dumps(about, indent=2)
    return re.sub(r"\[\n([^\[\]{}]*)\n *\]", lambda match: f"[{' '.join(match[1].split())}]", text) + "\n"
