"""The processes of a launcher that translate one folder: a share each, and the first one merges the manifests."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch.distributed.rendezvous import rendezvous

from sivae_translate.data.listing import Account, LeftOut
from sivae_translate.inference.folder import Summary
from sivae_translate.inference.manifest import locked, merge_shares
from sivae_translate.names import as_path, as_text

POLLED = 0.1  # seconds between two looks at the other processes, in which a signal is noticed


class Together:
    """One of the processes that a launcher has started.

    Where a process fails, launchers end all of them, and the next call translates what is missing.

    Args:
        store: a `torch.distributed.Store`, in which the processes tell each other how they ended.
        rank: of this process, from 0 on.
        count: of the processes.

    Attributes:
        share: of this process, for `translate_folder`.
        first: whether this is the first process, which alone shows progress and results.
    """

    def __init__(self, store: Any, rank: int, count: int) -> None:
        self.store, self.rank, self.count = store, rank, count
        self.share, self.first = f"{rank + 1}/{count}", rank == 0

    @classmethod
    def of_launcher(cls) -> Together:
        """This process, by the variables that its launcher has set."""
        return cls(*next(rendezvous("env://")))

    def merged(self, out: Path, summary: Summary) -> Summary | None:
        """Tell the summary of this process to the first one, which waits for all and merges their manifests.

        Returns:
            The summary of all processes in the first one, None in the others.
        """
        self.store.set(f"translated-{self.rank}", text_of(summary))
        if not self.first:
            return None
        keys = [f"translated-{rank}" for rank in range(self.count)]
        while not self.store.check(keys):
            time.sleep(POLLED)
        with locked(out):
            manifest = merge_shares(out, self.count)
        return sum_of([self.store.get(key).decode() for key in keys], manifest)


def own_gpu(device: str) -> str:
    """The GPU of this process where a launcher's processes should use GPUs; else the device as it is."""
    if device in ("auto", "cuda") and torch.cuda.is_available():
        return f"cuda:{int(os.environ['LOCAL_RANK']) % torch.cuda.device_count()}"
    return device


def text_of(summary: Summary) -> str:
    """A summary as JSON, without its manifest."""
    numbers = [summary.written, summary.skipped, summary.failed, summary.rejected, summary.left_out]
    first = [[as_text(str(each.path)), each.reason, each.lost] for each in summary.reasons]
    return json.dumps([numbers, summary.reasons.counts, first, summary.reasons.lost])


def sum_of(texts: list[str], manifest: Path) -> Summary:
    """The summary of all shares. What several of them have left out, as an unreadable reference, counts once."""
    numbers, counts, first, lost = zip(*map(json.loads, texts), strict=True)
    every = [LeftOut(Path(as_path(path)), reason, lost) for part in first for path, reason, lost in part]
    reasons = Account(dict.fromkeys(every))
    reasons.counts = sum(map(Counter, counts), Counter[str]())
    reasons.counts -= Counter(each.reason for each in every) - Counter(each.reason for each in dict.fromkeys(every))
    reasons.lost = any(lost)
    written, skipped, failed, rejected, left_out = map(sum, zip(*numbers, strict=True))
    return Summary(written, skipped, failed, rejected, left_out, manifest, reasons)
