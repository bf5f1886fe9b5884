"""Attribute directions: differences of the mean codes of two sets of images (Larsen et al. 2016, arXiv:1512.09300).

A direction is a `Code` of one row. A direction is valid only for the weights that encoded the images, so its file holds
their SHA-256.
"""

from __future__ import annotations

from pathlib import Path

from sivae_translate import checkpoint
from sivae_translate.errors import SivaeError, UsageError, command, shown
from sivae_translate.host import own_torch_state
from sivae_translate.inference.threshold import weights_of
from sivae_translate.models.pretrained import model_directory
from sivae_translate.types import Code

SUFFIX = ".safetensors"
KIND = "sivae-translate direction"
MAX_BYTES = 100_000_000  # of a file; the largest code has 1024 channels on a grid of 128 x 128, in float32


def difference(with_: Code, without: Code) -> Code:
    """Mean of the codes with the attribute minus mean of those without: `[N, ...]`, `[M, ...]` -> `[1, ...]`."""
    a, b = (code.map(lambda t: t.mean(0, keepdim=True)) for code in (with_, without))
    style = None if a.style is None or b.style is None else a.style - b.style
    return Code(a.content - b.content, style)


@own_torch_state()
def save_direction(file: str | Path, direction: Code, model: str | Path, weights: str) -> None:
    """Write a direction as safetensors, atomically.

    The file holds `content` `[1, K, g, g]` and, for a model with style, `style` `[1, S]`. The metadata holds the
    SHA-256 of the weights and the name of the model.

    Args:
        model: the run or model directory that encoded the images.
        weights: `weights_of` the model, taken before it was loaded, as training may replace it meanwhile.
    """
    tensors = {"content": direction.content} | ({} if direction.style is None else {"style": direction.style})
    metadata = {"kind": KIND, "weights": weights, "model": name_of(model)}
    checkpoint.save_file(Path(file), tensors, metadata)


@own_torch_state()
def load_direction(file: str | Path, model: str | Path) -> Code:
    """The direction in a file, on the CPU. Nothing is unpickled.

    Args:
        model: the run or model directory that the direction is for.

    Raises:
        UsageError: a missing, damaged or other file, or a direction of other weights.
    """
    file = Path(file)
    expected = "expected a file that `sivae-translate direction` has written"
    if not file.is_file():
        raise UsageError(f"{shown(file)} is no file: {expected}")
    try:
        tensors, metadata = checkpoint.load_file(file, MAX_BYTES)
    except SivaeError as error:
        raise UsageError(f"{error}; {expected}") from None
    if metadata.get("kind") != KIND or "content" not in tensors:
        raise UsageError(f"{shown(file)} holds no direction: {expected}")
    if metadata.get("weights") != weights_of(model):
        raise UsageError(
            f"{shown(file)} is of other weights, those of {shown(metadata.get('model', '?'))}: make one of these with: "
            f"{command('direction', 'WITH', 'WITHOUT', '--model', model)}"
        )
    return Code(tensors["content"], tensors.get("style"))


def name_of(model: str | Path) -> str:
    """The name of a model's run, or of its directory outside a run."""
    directory = model_directory(model).resolve()
    return directory.parent.name if directory.name == "model" else directory.name
