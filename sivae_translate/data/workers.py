"""An endless stream of batches that survives its reading processes.

A process that is killed, or that hangs, is replaced at the batch it owed. The t-th batch is a function of t alone, so
none is lost or repeated. After `RESTARTS` replacements this process reads the batches itself.
"""

from __future__ import annotations

import copy
import multiprocessing
import signal
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import RawValue
from typing import Any, Protocol

from torch.utils.data import DataLoader, Dataset

from sivae_translate.errors import one_line
from sivae_translate.signals import HANG_UP, INTERRUPT, handle_signals

RESTARTS = 3
POLL = 5.0  # seconds after which a waiting loader looks whether its processes still run
PATIENCE = 300.0  # seconds without a batch after which a process counts as hung
CHILD_ENDED = getattr(signal, "SIGCHLD", None)  # only on POSIX
TROUBLE = (RuntimeError, OSError, EOFError)  # of a DataLoader whose process ended, hangs or cannot be started


class Stream(Protocol):
    """An endless sequence of the keys of batches."""

    start: int

    def at(self, t: int) -> Stream:
        """The same sequence from the t-th batch on."""

    def __iter__(self) -> Iterator[Any]: ...


def read_batches(
    dataset: Dataset[Any],
    stream: Stream,
    workers: int,
    *,
    collate: Callable[[list[Any]], Any],
    pin_memory: bool,
    note: Callable[[str], None],
) -> Generator[Any]:
    """The batches of `dataset` for the keys of `stream`, read by `workers` processes; 0 for this process.

    Args:
        note: called with a line on each process that was replaced.
    """
    t, trouble = stream.start, 0
    while True:
        options = {"collate_fn": collate, "num_workers": workers, "pin_memory": pin_memory}
        try:
            with closing(load(dataset, stream.at(t), options)) as batches:
                for batch in batches:
                    t += 1
                    yield batch
        except TROUBLE as error:
            if workers == 0:
                raise
            trouble += 1
            workers = 0 if trouble > RESTARTS else workers
            fix = "started again" if workers else "images are read without further processes now"
            note(f"a process that reads images failed ({one_line(error)}): {fix}")


def load(dataset: Dataset[Any], keys: Stream, options: dict[str, Any]) -> Generator[Any]:
    """The batches of one DataLoader. Closing the generator ends its processes, also those that hang."""
    several = options["num_workers"] > 0
    loader: DataLoader[Any] = DataLoader(
        dataset,
        batch_sampler=keys,  # type: ignore[arg-type]
        persistent_workers=several,
        timeout=POLL if several else 0,
        worker_init_fn=ignore_interrupts,
        multiprocessing_context=context_without_locked_events() if several else None,
        **options,
    )
    others = set(multiprocessing.active_children())
    try:
        batches = iter(loader)
    except BaseException:
        kill(set(multiprocessing.active_children()) - others)
        raise
    own = set(multiprocessing.active_children()) - others  # only now: the caller may start others between two batches
    # PyTorch's handler raises in the middle of a training step where a process ends. The loader polls them as well.
    with handle_signals([CHILD_ENDED], lambda number, frame: None):
        try:
            while True:
                yield wait(batches)
        finally:
            del loader, batches
            kill(own)


class Flag:
    """What a DataLoader uses of `multiprocessing.Event`, without its lock.

    Each process takes that lock to ask whether it should end. If it is killed meanwhile, all others wait for ever.
    """

    def __init__(self) -> None:
        self._value = RawValue("b", 0)

    def set(self) -> None:
        self._value.value = 1

    def is_set(self) -> bool:
        return bool(self._value.value)


def context_without_locked_events() -> BaseContext:
    context = copy.copy(multiprocessing.get_context())
    context.Event = Flag  # type: ignore[assignment, method-assign]
    return context


def kill(processes: Iterable[BaseProcess]) -> None:
    for process in processes:
        process.kill()  # a stopped process would outlive SIGTERM
        process.join()


def wait(batches: Iterator[Any]) -> Any:
    """The next batch. Raises RuntimeError where a process has ended, or has hung for `PATIENCE` seconds."""
    waited = 0.0
    while True:
        try:
            return next(batches)
        except RuntimeError as error:
            waited += POLL
            if "timed out" not in str(error):
                raise
            if waited >= PATIENCE:
                raise RuntimeError(f"no batch for {PATIENCE:g} seconds") from None


def ignore_interrupts(worker: int) -> None:
    """Leave Ctrl-C, which a terminal sends to all processes, to the process that trains."""
    for number in (INTERRUPT, HANG_UP):
        if number is not None:
            signal.signal(number, signal.SIG_IGN)
