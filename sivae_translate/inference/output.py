"""The images that a call returns: PIL images, an array or a tensor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from sivae_translate.errors import UsageError
from sivae_translate.pictures import to_pictures

Output = Literal["pil", "numpy", "tensor"]
"""PIL images of mode RGB; uint8 `[B, H, W, 3]`; or float32 `[B, 3, H, W]` in [0, 1], on the model's device."""


def require_output(output: object) -> None:
    """Raise UsageError for no `Output`. The call comes before long work."""
    if output not in get_args(Output):
        raise UsageError(f"output was {output!r}: expected {' or '.join(map(repr, get_args(Output)))}")


def as_output(batches: Iterable[Tensor], output: Output, *, one: bool = False) -> Any:
    """Batches of images `[B, 3, H, W]` in [0, 1] as an `Output`; PIL images are a list.

    Args:
        one: whether there is one image, which is returned alone: without the list, or without the dimension B.
    """
    images: Any
    if output == "tensor":
        images = torch.cat(list(batches))
    else:
        images = [picture for x in batches for picture in to_pictures(x)]
        images = images if output == "pil" else np.stack(images)
    return images[0] if one else images
