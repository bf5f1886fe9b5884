"""Seeded samples of the prior, of codes and of styles, with the truncation trick.

Truncation is a factor of the noise around the prior's mean. The factor 1 samples the prior, lower values trade variety
for quality, and 0 gives the mean. Brock et al. 2019 (arXiv:1809.11096) clip the noise instead.
"""

from __future__ import annotations

import math
import numbers

import torch
from torch import Tensor

from sivae_translate.errors import UsageError
from sivae_translate.inference.arguments import is_real, whole
from sivae_translate.types import Code, Distribution, Gaussian


def draw_codes(prior: Distribution, device: torch.device, *, seed: int, truncation: float) -> Code:
    """A code for each row of the prior; the same seed gives the same codes on every device.

    Raises:
        UsageError: a negative truncation, or a seed of more than 64 bits.
    """
    require_truncation(truncation)
    generator = seeded(seed)
    return prior.draw(lambda shape: truncation * torch.randn(shape, generator=generator).to(device))


def draw_styles(prior: Gaussian, count: int, *, seed: int, truncation: float) -> Tensor:
    """Styles `[count, S]` from a prior p(s | d) of one row; the i-th is the same whatever the count and the device.

    Raises:
        UsageError: fewer than 1 style, a negative truncation, or a seed of more than 64 bits.
    """
    require_truncation(truncation)
    whole("styles", count, 1)
    generator, size = seeded(seed), prior.mean.shape[-1]
    # Each style is drawn separately, as torch.randn of more numbers may start with other numbers.
    noise = torch.stack([torch.randn(size, generator=generator) for _ in range(count)])
    return prior.sample(truncation * noise.to(prior.mean.device))


def require_truncation(truncation: float) -> None:
    """Raise UsageError for a truncation that is negative or not finite."""
    if not is_real(truncation) or not 0 <= truncation < math.inf:
        raise UsageError(f"truncation was {truncation!r}: expected 0 or more, 1 for the prior as it is")


def seeded(seed: int) -> torch.Generator:
    """A CPU generator, for the same numbers on every device. Raises UsageError for a seed of more than 64 bits."""
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral) or not -(2**63) <= seed < 2**63:
        raise UsageError(f"seed was {seed!r}: expected a whole number of 64 bits, such as 0")
    return torch.Generator().manual_seed(int(seed))
