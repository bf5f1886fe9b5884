"""Batches on the device that trains. On a GPU the next batch moves there while the model trains on this one."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import torch
from torch import Tensor

from sivae_translate.types import Batch

Pair = tuple[Tensor, Tensor]


def on_device(pairs: Iterator[Pair], device: torch.device) -> Generator[Batch]:
    """Images uint8 `[B, 3, H, W]` and labels -> batches on the device, float32 in [0, 1], channels last.

    On CUDA a pair is taken, and its transfer begins, one batch ahead.
    """
    if device.type != "cuda":
        for images, labels in pairs:
            yield moved(images, labels, device)
        return
    side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def begin() -> Batch:
        images, labels = next(pairs)
        with torch.cuda.stream(side):
            return moved(images, labels, device)

    following = begin()
    while True:
        training = torch.cuda.current_stream(device)
        training.wait_stream(side)
        for tensor in (following.images, following.domains):
            tensor.record_stream(training)  # else its memory could be used again before training is done with it
        batch, following = following, begin()
        yield batch


def moved(images: Tensor, labels: Tensor, device: torch.device) -> Batch:
    x = images.to(device, non_blocking=True).float().div_(255)
    return Batch(x.contiguous(memory_format=torch.channels_last), labels.to(device, non_blocking=True))
