"""The peak memory of this process, in its own memory and on its GPUs."""

from __future__ import annotations

import re
import sys
from pathlib import Path


def peak_memory() -> str:
    """The largest memory so far as a short text, such as "peak 1.2 GB", or "GPU peak 9.5 GB"; empty where unknown.

    A process that uses CUDA names the memory of its fullest GPU.
    """
    gpu = peak_gpu_bytes()
    if gpu:
        return f"GPU peak {gpu / 1e9:.1f} GB"
    peak = peak_bytes()
    return f"peak {peak / 1e9:.1f} GB" if peak else ""


def peak_bytes() -> int:
    """The largest resident size of this process; 0 where the system does not tell."""
    try:  # the kernel's own figure: `getrusage` has that of the parent where a process was forked
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        return 1024 * int(found[1]) if found else 0
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def peak_gpu_bytes() -> int:
    """The largest memory of tensors on one of the GPUs; 0 for a process that has not started CUDA."""
    torch = sys.modules.get("torch")  # a display must not be what loads it
    if torch is None or not torch.cuda.is_initialized():
        return 0
    return max(int(torch.cuda.max_memory_allocated(device)) for device in range(torch.cuda.device_count()))
