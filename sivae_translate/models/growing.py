"""Progressive growing: a model is initialised with the weights of a model at half its size.

The method is that of Karras et al. 2018 (arXiv:1710.10196), with one run and one optimizer per size. In place of fading
in, the skip of the new level of a `synthesis` decoder starts at zero. A model whose patch doubles with the size has no
new level, and a step takes half as long again.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from sivae_translate.models.autoencoder import Autoencoder
from sivae_translate.models.encoder import Encoder
from sivae_translate.models.synthesis import SynthesisAutoencoder

TO_PIXELS = ("decoder.image.output.", "decoder.image.to_rgb.")


def check_growth(smaller: Autoencoder, kind: type[Autoencoder], size: int) -> None:
    """Raise ValueError where a model of this kind and size cannot take over the weights of `smaller`."""
    if type(smaller) is not kind:
        raise ValueError("it is another kind of model")
    if 2 * smaller.size != size:
        raise ValueError(f"its size is {smaller.size}, not {size // 2}, half of {size}")


@torch.no_grad()
def grow(model: Autoencoder, smaller: Autoencoder) -> float:
    """Copy the weights of a model at half the size wherever they fit.

    Levels correspond by their resolution. The decoder numbers blocks from the coarsest, so the numbers agree. The
    encoder numbers blocks from the finest, so each number rises by one, and the first block is new. For a doubled patch
    the levels agree, and the convolutions from and to pixels are adapted by `doubled_patch`. A weight of another shape
    keeps its initial values; equal widths in both models make more shapes agree.

    Args:
        smaller: a model that `check_growth` accepts.

    Returns:
        The fraction of the model's parameters that were copied.

    Raises:
        ValueError: models with style and with different domains.
    """
    if model.style_size and model.domains != smaller.domains:
        raise ValueError("it has other domains")
    weights, taken = smaller.state_dict(), 0
    features, before = features_of(model), features_of(smaller)
    deeper = len(features.blocks) - len(before.blocks)
    for name, parameter in model.named_parameters():
        name_before = re.sub(r"(?<=^encoder\.features\.blocks\.)\d+", lambda m: str(int(m[0]) - deeper), name)
        weight = weights.get(name_before)
        if weight is not None and features.patch == 2 * before.patch:
            weight = doubled_patch(name, weight, before.patch)
        if weight is not None and weight.shape == parameter.shape:
            parameter.copy_(weight)
            taken += parameter.numel()
    if deeper and isinstance(model, SynthesisAutoencoder):
        newest = model.decoder["image"].to_rgb[-1]  # type: ignore[index,union-attr]
        for parameter in newest.parameters():  # type: ignore[union-attr]
            parameter.zero_()
    return taken / sum(parameter.numel() for parameter in model.parameters())


def doubled_patch(name: str, weight: Tensor, patch: int) -> Tensor:
    """The weight of a model with a doubled patch that gives the same function of images of half the size.

    Input convolutions average 2 x 2 pixels, output convolutions repeat each pixel 2 x 2 times. Other weights are
    unchanged.

    Args:
        name: of the parameter.
        patch: side in pixels of the smaller model's patches.
    """
    if name == "encoder.features.stem.weight":
        return repeat_pixels(weight.transpose(0, 1).contiguous(), patch).transpose(0, 1) / 4
    return repeat_pixels(weight, patch) if name.startswith(TO_PIXELS) else weight


def repeat_pixels(weight: Tensor, patch: int) -> Tensor:
    """`[C p p, ...]` -> `[C 2p 2p, ...]`, channels as `pixel_shuffle` has them."""
    pixels = weight.view(-1, patch, patch, *weight.shape[1:])
    return pixels.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2).flatten(0, 2)


def features_of(model: Autoencoder) -> Encoder:
    features: Encoder = model.encoder["features"]  # type: ignore[index,assignment]
    return features
