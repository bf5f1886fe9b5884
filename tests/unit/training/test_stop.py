"""Signals that stop a run: the first after the step, the second at once, further ones not at all."""

from __future__ import annotations

import signal

import pytest
import torch

from sivae_translate.training.processes import new_accelerator
from sivae_translate.training.stop import Stop


def test_the_second_signal_ends_at_once_and_a_third_does_not_disturb_the_clean_up() -> None:
    stop, cleaned = Stop(new_accelerator("cpu", "fp32")), False
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as caught, stop.listening():
        try:
            signal.raise_signal(signal.SIGINT)
            assert stop.asked()
            signal.raise_signal(signal.SIGTERM)
            raise AssertionError("the second signal was ignored")
        finally:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            cleaned = True
    assert cleaned and caught.value.args == (signal.SIGTERM,) and stop.signal == signal.SIGINT
    assert signal.getsignal(signal.SIGINT) is before


class Processes:
    """Two processes, of which this one receives a signal while the answers are gathered."""

    num_processes, device = 2, torch.device("cpu")

    def __init__(self) -> None:
        self.arrives = True

    def gather(self, asked: torch.Tensor) -> torch.Tensor:
        if self.arrives:
            self.arrives = False
            signal.raise_signal(signal.SIGTERM)
        return torch.cat([asked, torch.zeros_like(asked)])


def test_a_signal_that_arrives_while_processes_agree_stops_at_the_next_step() -> None:
    stop = Stop(Processes())  # type: ignore[arg-type]
    with stop.listening():
        assert not stop.asked()
        assert stop.asked() and stop.signal == signal.SIGTERM
