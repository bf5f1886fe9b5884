"""The errors by which memory runs out."""

from __future__ import annotations

import pytest
import torch

from sivae_translate.training.out_of_memory import memory_error, ran_out


def test_the_cpu_allocator_s_error_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert ran_out(caught.value)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 17 GB)"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_other_errors_are_not(error: Exception, expected: bool) -> None:
    assert ran_out(error) is expected


def test_the_error_tells_what_is_saved_and_how_to_go_on() -> None:
    begun = str(memory_error("out of memory", 0, 2, saved=False))
    assert "first step" in begun and "saved" not in begun and "--set training.accumulate=2" in begun
    assert "at 1,600 images, which are saved" in str(memory_error("out of memory", 1600, 2, saved=True))
    last = str(memory_error("out of memory", 1600, None, saved=False))
    assert "not saved" in last and last.endswith("data.size")
