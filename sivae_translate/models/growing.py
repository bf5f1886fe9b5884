"""Growing: a model begins with the weights of one at half its size, where a step costs a quarter.

Progressive growing (Karras et al. 2018, arXiv:1710.10196), a run per size with an optimiser of its own, and with skips
in place of fading in: a level that is new to the `synthesis` decoder adds nothing to the picture at first. Where the
patch doubles with the size there is no new level: each pixel becomes four, and a step costs half as much again.
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
    """Raise ValueError where a model of that kind and size cannot begin with the smaller one's weights."""
    if type(smaller) is not kind:
        raise ValueError("it is another kind of model")
    if 2 * smaller.size != size:
        raise ValueError(f"its size is {smaller.size}, not {size // 2}, half of {size}")


@torch.no_grad()
def grow(model: Autoencoder, smaller: Autoencoder) -> float:
    """Give a model the weights of one at half its size wherever they fit.

    Levels correspond by their resolution. The decoder counts its blocks from the coarsest, so they keep their numbers.
    The encoder counts from the finest, so each moves up by one and the first is new. Where the patch doubles too, the
    levels are the same, and the convolutions from and to pixels treat each four as the smaller model's one. A weight
    of another shape stays new; train the smaller model at the larger one's widths to keep more.

    Args:
        smaller: as `check_growth` accepts it; of a model with style, with the same domains.

    Returns:
        The fraction of the model's parameters that were taken over.

    Raises:
        ValueError: a model with style, and other domains.
    """
    if model.style_size and model.domains != smaller.domains:
        raise ValueError("it knows other domains")
    weights, taken = smaller.state_dict(), 0
    features, before = features_of(model), features_of(smaller)
    deeper = len(features.blocks) - len(before.blocks)
    for name, parameter in model.named_parameters():
        name_before = re.sub(r"(?<=^encoder\.features\.blocks\.)\d+", lambda m: str(int(m[0]) - deeper), name)
        weight = weights.get(name_before)
        if weight is not None and features.patch == 2 * before.patch:
            weight = pixels_by_four(name, weight, before.patch)
        if weight is not None and weight.shape == parameter.shape:
            parameter.copy_(weight)
            taken += parameter.numel()
    if deeper and isinstance(model, SynthesisAutoencoder):
        newest = model.decoder["image"].to_rgb[-1]  # type: ignore[index,union-attr]
        for parameter in newest.parameters():  # type: ignore[union-attr]
            parameter.zero_()
    return taken / sum(parameter.numel() for parameter in model.parameters())


def pixels_by_four(name: str, weight: Tensor, patch: int) -> Tensor:
    """A weight for patches twice as large, where it takes or gives patches of `patch` pixels on a side: of every 2 x 2
    pixels the mean is taken, and all four are given alike. Any other weight as it is."""
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
