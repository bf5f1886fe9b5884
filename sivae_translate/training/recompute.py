"""Passes that are computed again in the backward pass, so that a step holds the activations of one pass at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from sivae_translate.types import Code, Distribution, Model, Posterior

T = TypeVar("T")


class Recomputed:
    """A `types.Model` whose passes keep their inputs, and are computed again for gradients (Chen et al. 2016,
    arXiv:1604.06174).

    A phase has up to four passes of a network, and the decoder's pass is shared by two phases. Whole passes are
    recomputed, as their inputs are images and codes, which are smaller than the inputs of single blocks. Gradients are
    the same to the bit: a pass draws no random numbers, and its weights change only after its last gradient.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.encoder, self.decoder, self.domains = model.encoder, model.decoder, model.domains

    def features(self, x: Tensor) -> dict[int, Tensor]:
        return _recomputed(self.model.features, x)

    def posterior(self, features: dict[int, Tensor]) -> Posterior:
        return self.model.posterior(features)

    def style_places(self, features: dict[int, Tensor]) -> Tensor:
        return self.model.style_places(features)

    def encode(self, x: Tensor) -> Posterior:
        return _recomputed(self.model.encode, x)

    def decode(self, code: Code) -> Tensor:
        return _recomputed(self.model.decode, code)

    def prior(self, domains: Tensor) -> Distribution:
        return self.model.prior(domains)

    def mix_styles(self, samples: Code, generator: torch.Generator) -> Code:
        return self.model.mix_styles(samples, generator)


def _recomputed(function: Callable[..., T], *inputs: Any) -> T:
    if not torch.is_grad_enabled():
        return function(*inputs)
    result: T = checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=False)
    return result
