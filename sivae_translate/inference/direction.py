"""Attribute directions: from the codes of images without something to those of images with it.

A direction is a `Code` of one row, content and style apart, that means something to the weights that found it alone;
its file says which those are. As in Larsen et al. 2016 (arXiv:1512.09300).
"""

from __future__ import annotations

from pathlib import Path

from sivae_translate import checkpoint
from sivae_translate.data.domains import shown
from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.inference.threshold import weights_of
from sivae_translate.models.pretrained import model_directory
from sivae_translate.types import Code

SUFFIX = ".safetensors"
KIND = "sivae-translate direction"


def difference(with_: Code, without: Code) -> Code:
    """The mean of the codes `with_` less the mean of those `without`, `[N, ...]` and `[M, ...]` -> `[1, ...]`."""
    a, b = (code.map(lambda t: t.mean(0, keepdim=True)) for code in (with_, without))
    style = None if a.style is None or b.style is None else a.style - b.style
    return Code(a.content - b.content, style)


def save_direction(file: Path, direction: Code, model: Path) -> None:
    """Write a direction that the model in this directory or run has found, atomically, as safetensors.

    It holds `content` `[1, K, g, g]`, `style` `[1, S]` where there is one, and as text the weights' SHA-256 and the
    model's name.
    """
    tensors = {"content": direction.content} | ({} if direction.style is None else {"style": direction.style})
    metadata = {"kind": KIND, "weights": weights_of(model), "model": name_of(model)}
    checkpoint.save_file(file, tensors, metadata)


def load_direction(file: Path, model: Path) -> Code:
    """A direction that this very model has found, on the CPU. Nothing is unpickled.

    Raises:
        UsageError: there is no such file, it holds something else or is damaged, or other weights have found it.
    """
    expected = "expected a file that `sivae-translate direction` has written"
    if not file.is_file():
        raise UsageError(f"{shown(file)} is no file: {expected}")
    try:
        tensors, metadata = checkpoint.load_file(file)
    except SivaeError as error:
        raise UsageError(f"{error}; {expected}") from None
    if metadata.get("kind") != KIND or "content" not in tensors:
        raise UsageError(f"{shown(file)} holds no direction: {expected}")
    if metadata.get("weights") != weights_of(model):
        raise UsageError(
            f"{shown(file)} is of other weights, those of {shown(metadata.get('model', '?'))}: make one of these with: "
            f"sivae-translate direction WITH WITHOUT --model {model}"
        )
    return Code(tensors["content"], tensors.get("style"))


def name_of(model: Path) -> str:
    """What people call a model: its run, or its directory where that is not in a run."""
    directory = model_directory(model).resolve()
    return directory.parent.name if directory.name == "model" else directory.name
