"""Training keeps its memory; a program that uses the library does not."""

from __future__ import annotations

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import torch
from sivae_translate.allocator import keep_memory
if sys.argv[1] == "keep":
    keep_memory()
def step():
    x = torch.ones(4_000_000)  # 16 MB
    x = x + x
    del x
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode: str) -> int:
    """Pages that 20 steps fault in anew."""
    run = subprocess.run([sys.executable, "-c", FAULTS, mode], capture_output=True, text=True, check=True)
    return int(run.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of glibc")
def test_freed_memory_is_kept_for_the_next_step() -> None:
    assert faults("keep") < faults("default") / 10
