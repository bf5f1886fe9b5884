"""Memory that a training process keeps, rather than returning it to the system after every step."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
LARGEST = 32 << 20  # bytes; glibc's maximum for blocks that are not mapped apart
KEPT = (1 << 31) - 1  # bytes at the end of the heap that are kept


def keep_memory() -> None:
    """Let malloc keep freed memory for the next step. Without effect where the C library is not glibc.

    By default glibc returns large blocks to the system, and each step of training on a CPU faults them in anew. The
    setting is the whole process's, so only our own commands make it, and no library call does.
    """
    if not sys.platform.startswith("linux"):
        return
    with suppress(OSError, AttributeError):  # a C library without mallopt, such as musl
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, LARGEST)
        mallopt(M_TRIM_THRESHOLD, KEPT)
