"""Batches arrive in order on the device, as floats in [0, 1]."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest
import torch
from torch import Tensor

from sivae_translate.data.transfer import on_device


def pairs(pinned: bool = False) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches whose images and labels are their number."""
    for t in range(256):
        images, labels = torch.full((4, 3, 8, 8), t, dtype=torch.uint8), torch.full((4,), t)
        yield (images.pin_memory(), labels.pin_memory()) if pinned else (images, labels)


def test_batches_are_floats_in_0_to_1_in_channels_last() -> None:
    taken = iter(pairs())
    stream = on_device(taken, torch.device("cpu"))
    for t, batch in enumerate(islice(stream, 5)):
        assert torch.equal(batch.images, torch.full((4, 3, 8, 8), t / 255)) and batch.domains.tolist() == [t] * 4
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert int(next(taken)[1][0]) == 5  # none is taken ahead on a CPU


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_on_a_gpu_are_those_on_the_cpu() -> None:
    device = torch.device("cuda")
    for t, batch in enumerate(islice(on_device(pairs(pinned=True), device), 200)):
        assert batch.images.device.type == batch.domains.device.type == "cuda"
        (batch.images @ torch.rand(8, 512, device=device)).sum()  # work that is queued while the next one arrives
        assert torch.equal(batch.images.cpu(), torch.full((4, 3, 8, 8), t / 255))
        assert batch.domains.tolist() == [t] * 4
