"""Passes of the network over many rows: some at a time, and fewer from then on where memory runs out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from torch import Tensor

from sivae_translate.training.out_of_memory import free_memory, ran_out
from sivae_translate.types import Code

BATCH = 32  # images or codes per pass of the network, which bounds memory

T = TypeVar("T")


class Passes:
    """A callable that computes rows in passes.

    Attributes:
        rows: of a pass, at most. Halved where memory runs out, as results do not depend on it.
    """

    def __init__(self, rows: int = BATCH) -> None:
        self.rows = rows

    def __call__(self, compute: Callable[..., T], *inputs: Tensor | Code) -> list[T]:
        """The results of `compute` for consecutive rows of all inputs.

        Raises:
            Exception: memory ran out for a single row, as PyTorch reports it.
        """
        results, start, total = list[T](), 0, len(inputs[0])
        while start < total:
            rows = min(self.rows, total - start)
            try:
                results.append(compute(*(each[start : start + rows] for each in inputs)))
                start += rows
                continue
            except Exception as error:
                if rows == 1 or not ran_out(error):
                    raise
            free_memory()  # only now: the error's traceback held the tensors of the pass
            self.rows = min(self.rows, rows // 2)  # another thread may have halved it too
        return results
