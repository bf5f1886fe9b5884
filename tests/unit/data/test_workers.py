"""Batches keep coming, each once, when the processes that read them are killed, hang or cannot be started."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing, nullcontext
from itertools import islice
from typing import Any

import pytest
from torch.utils.data import Dataset

from sivae_translate.data import workers
from sivae_translate.data.workers import read_batches


class Numbers(Dataset[int]):
    def __getitem__(self, key: int) -> int:
        return key


class Counting:
    """Batches [0, 0], [1, 1], [2, 2] and so on."""

    def __init__(self, start: int = 0) -> None:
        self.start = start

    def at(self, t: int) -> Counting:
        return Counting(t)

    def __iter__(self) -> Iterator[list[int]]:
        t = self.start
        while True:
            yield [t, t]
            t += 1


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "POLL", 0.2)
    monkeypatch.setattr(workers, "PATIENCE", 0.6)


def read(count: int, notes: list[str], disturb: Any, start: int = 0) -> list[int]:
    """The first number of each of `count` batches; `disturb(t)` is called after each."""
    seen = []
    options = {"collate": list, "pin_memory": False, "note": notes.append}
    with closing(read_batches(Numbers(), Counting(start), 2, **options)) as stream:
        for batch in islice(stream, count):
            seen.append(batch[0])
            disturb(batch[0])
    return seen


def processes() -> list[int]:
    return [process.pid for process in multiprocessing.active_children() if process.pid]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_process_that_is_killed_or_hangs_is_replaced_and_no_batch_is_lost(number: signal.Signals) -> None:
    notes: list[str] = []

    def disturb(t: int) -> None:
        if t == 7:
            for pid in processes():
                os.kill(pid, number)

    assert read(20, notes, disturb, start=5) == list(range(5, 25))
    assert notes  # on a busy machine a new process may take so long that it counts as hung too
    assert not processes()  # none is left behind, not even one that is stopped


def test_a_process_that_ends_never_interrupts_the_training_step() -> None:
    """PyTorch's own handler raises wherever the program is when the signal arrives."""
    for pid in read(3, [], lambda t: None):  # PyTorch installs its handler with the first loader of a program
        assert pid >= 0

    def disturb(t: int) -> None:
        if t == 1:
            os.kill(processes()[0], signal.SIGKILL)
            time.sleep(0.2)  # a step, in which Python runs the handlers of signals

    assert read(6, [], disturb) == list(range(6))


def test_after_several_failures_this_process_reads_alone() -> None:
    notes: list[str] = []

    def disturb(t: int) -> None:
        for pid in processes():
            os.kill(pid, signal.SIGKILL)

    assert read(40, notes, disturb) == list(range(40))
    assert len(notes) == workers.RESTARTS + 1
    assert "without further processes" in notes[-1]


class KilledWithALock(Numbers):
    """At batch 3, the process that reads is killed at the worst moment: while it asks whether it should end."""

    def __getitem__(self, key: int) -> int:
        if key == 3 and multiprocessing.parent_process():
            frame = sys._getframe()
            while "done_event" not in frame.f_locals:
                assert frame.f_back
                frame = frame.f_back
            with getattr(frame.f_locals["done_event"], "_cond", nullcontext()):
                os.kill(os.getpid(), signal.SIGKILL)
        return key


@pytest.mark.timeout(60)
def test_a_process_that_is_killed_leaves_no_lock_that_all_others_wait_for() -> None:
    notes: list[str] = []
    stream = read_batches(KilledWithALock(), Counting(), 2, collate=list, pin_memory=False, note=notes.append)
    with closing(stream):
        assert [batch[0] for batch in islice(stream, 6)] == list(range(6))
    assert "without further processes" in notes[-1]


def test_processes_that_cannot_be_started_are_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    notes: list[str] = []
    assert read(4, notes, lambda t: None) == [0, 1, 2, 3]
    assert "temporarily unavailable" in notes[-1]


def test_an_error_of_this_process_is_raised() -> None:
    class Broken(Numbers):
        def __getitem__(self, key: int) -> int:
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        next(read_batches(Broken(), Counting(), 0, collate=list, pin_memory=False, note=print))


def test_processes_that_the_caller_starts_meanwhile_live_on() -> None:
    started: list[multiprocessing.Process] = []

    def start(t: int) -> None:
        if not started:
            started.append(multiprocessing.Process(target=time.sleep, args=(60,)))
            started[0].start()

    read(3, [], start)
    assert started[0].is_alive()
    started[0].kill()
    started[0].join()


def test_a_failure_without_a_text_is_named_by_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(batches: Any) -> Any:
        monkeypatch.undo()
        raise EOFError

    monkeypatch.setattr(workers, "wait", fail)
    notes: list[str] = []
    assert read(2, notes, lambda t: None) == [0, 1]
    assert "EOFError" in notes[0]
