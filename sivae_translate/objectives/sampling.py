"""Samples of distributions by reparametrisation, all from one generator."""

from __future__ import annotations

import torch

from sivae_translate.types import Code, Distribution, Randn


def sample(p: Distribution, generator: torch.Generator) -> Code:
    """A code from a distribution, by reparametrisation."""
    return p.draw(noise_source(generator))


def noise_source(generator: torch.Generator) -> Randn:
    """A function from a shape to standard normal noise, on the generator's device."""
    return lambda shape: torch.randn(shape, generator=generator, device=generator.device)
