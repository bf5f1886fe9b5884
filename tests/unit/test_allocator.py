"""Training keeps its memory from step to step."""

from __future__ import annotations

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from sivae_translate.allocator import keep_memory
if sys.argv[1] == "keep":
    keep_memory()
def step():
    held = [np.ones(16_000_000, np.uint8) for _ in range(6)]  # freed together
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode: str) -> int:
    """Pages of memory that 20 steps ask the system for."""
    run = subprocess.run([sys.executable, "-c", FAULTS, mode], capture_output=True, text=True, check=True)
    return int(run.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of glibc")
def test_freed_memory_is_kept_for_the_next_step() -> None:
    assert faults("keep") < 1000 < faults("return")
