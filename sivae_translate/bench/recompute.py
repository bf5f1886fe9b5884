"""The memory and the time of a step whose passes are recomputed, beside the step that keeps all activations."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sivae_translate.bench.ratio import Ratio, in_turn
from sivae_translate.models import ConvAutoencoder
from sivae_translate.objectives import OBJECTIVES
from sivae_translate.training.loop import autocast, step
from sivae_translate.training.optimizers import Optimizers
from sivae_translate.training.processes import new_accelerator
from sivae_translate.training.recompute import Recomputed
from sivae_translate.training.slices import slice_generators, split
from sivae_translate.types import Batch

SIZE, BATCH, MAX_WIDTH = 32, 32, 256
GOAL = {1: 2.0, 4: 4.0}  # slices -> how many times less memory


class PeakMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Measures the largest number of bytes of tensors made in the block that live at one time, on any device.

    The workspaces of kernels do not count.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live: dict[int, int] = {}
        self.now, self.peak = 0, 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, Tensor):
                self._add(value.untyped_storage())
        self.peak = max(self.peak, self.now)
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        if storage._cdata not in self.live:
            self.live[storage._cdata] = storage.nbytes()
            self.now += storage.nbytes()
            weakref.finalize(storage, self._drop, storage._cdata)

    def _drop(self, key: int) -> None:
        self.now -= self.live.pop(key)


class MeasuredStep:
    """Steps of Soft-IntroVAE on one batch, with recomputed passes in a number of slices, or as they are (slices 0)."""

    def __init__(
        self, device: str, slices: int, size: int = SIZE, batch: int = BATCH, max_width: int = MAX_WIDTH
    ) -> None:
        torch.manual_seed(0)
        model = ConvAutoencoder(domains=["all"], size=size, max_width=max_width).to(device)
        self.accelerator = new_accelerator(device, "fp32")
        self.optimizers = Optimizers(model, self.accelerator, lr=2e-4, betas=(0.9, 0.999))
        self.network: Any = Recomputed(model) if slices else model
        self.generators = slice_generators(torch.device(device), 0, 1, max(1, slices))
        domains = torch.zeros(batch, dtype=torch.int64, device=device)
        self.batch = Batch(torch.rand(batch, 3, size, size, device=device), domains)

    def __call__(self) -> None:
        plays = []
        for rows, generator in zip(split(self.batch, len(self.generators)), self.generators, strict=True):
            play = OBJECTIVES["soft-introvae"]().play(self.network, rows, 1.0, generator, self.network)
            plays.append(autocast(play, self.accelerator))
        step(plays, self.optimizers)

    def peak(self) -> int:
        """Bytes at the peak of a step, beyond the weights and the optimizers' moments."""
        self()
        memory = PeakMemory()
        with memory:
            self()
        return memory.peak


def recompute_ratios(device: str) -> Iterator[Ratio]:
    """How many times less memory, and how much of the speed, a step has that recomputes its passes."""
    reference = MeasuredStep(device, 0)
    for slices, goal in GOAL.items():
        recomputed, detail = MeasuredStep(device, slices), f"{SIZE} px, batch {BATCH} in {slices}, fp32"
        ours, whole = recomputed.peak(), reference.peak()
        name = "the step that keeps activations"
        yield Ratio("memory, recomputed", ours / 2**20, whole / 2**20, "MiB", name, whole / ours, goal, detail)
        taken, kept = in_turn(recomputed, reference, rounds=4, skipped=1)
        yield Ratio("speed, recomputed", taken * 1e3, kept * 1e3, "ms", name, kept / taken, None, detail)
