"""Growing: a model begins with the weights of one at half its size, where a step costs a quarter.

Progressive growing (Karras et al. 2018, arXiv:1710.10196), a run per size with an optimiser of its own, and with skips
in place of fading in: a level that is new to the `synthesis` decoder adds nothing to the picture at first.
"""

from __future__ import annotations

import re

import torch

from sivae_translate.models.autoencoder import Autoencoder
from sivae_translate.models.synthesis import SynthesisAutoencoder


def check_growth(smaller: Autoencoder, kind: type[Autoencoder], size: int) -> None:
    """Raise ValueError where a model of that kind and size cannot begin with the smaller one's weights."""
    if type(smaller) is not kind:
        raise ValueError("it is another kind of model")
    if 2 * smaller.size != size:
        raise ValueError(f"its size is {smaller.size}, not {size // 2}, half of {size}")


@torch.no_grad()
def grow(model: Autoencoder, smaller: Autoencoder) -> float:
    """Give a model the weights of one at half its size wherever they fit.

    Levels correspond by their resolution: the decoder counts its blocks from the coarsest, so they keep their numbers;
    the encoder counts from the finest, so each moves up by one and the first is new. What has another shape is new too:
    to keep more, train the smaller model at the widths that the larger one has at its resolutions.

    Args:
        smaller: as `check_growth` accepts it; of a model with style, with the same domains.

    Returns:
        The share of the model's parameters that were taken over.

    Raises:
        ValueError: a model with style, and other domains.
    """
    if model.style_size and model.domains != smaller.domains:
        raise ValueError("it knows other domains")
    weights, taken = smaller.state_dict(), 0
    for name, parameter in model.named_parameters():
        weight = weights.get(re.sub(r"(?<=^encoder\.features\.blocks\.)\d+", lambda m: str(int(m[0]) - 1), name))
        if weight is not None and weight.shape == parameter.shape:
            parameter.copy_(weight)
            taken += parameter.numel()
    if isinstance(model, SynthesisAutoencoder):
        newest = model.decoder["image"].to_rgb[-1]  # type: ignore[index,union-attr]
        for parameter in newest.parameters():  # type: ignore[union-attr]
            parameter.zero_()
    return taken / sum(parameter.numel() for parameter in model.parameters())
