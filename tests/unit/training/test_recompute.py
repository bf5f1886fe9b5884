"""Recomputed passes, and slices of a batch, take less memory. Their gradients are in test_slices.py."""

from __future__ import annotations

import torch

from sivae_translate.bench.recompute import MeasuredStep, PeakMemory


def test_the_peak_is_that_of_tensors_that_live_together() -> None:
    memory = PeakMemory()
    with memory:
        for _ in range(3):
            a = torch.ones(250)
            b = a.view(10, 25) + a.view(10, 25)
            del a, b
    assert memory.peak == 2000 and memory.now == 0


def test_recomputed_passes_halve_the_memory_and_slices_halve_it_again() -> None:
    kept, recomputed, sliced = (
        MeasuredStep("cpu", slices, size=16, batch=32, max_width=64).peak() for slices in (0, 1, 4)
    )
    assert recomputed < 0.6 * kept
    assert sliced < 0.7 * recomputed
