"""Processes agree on the time and on signals at the same steps, about once a second."""

from __future__ import annotations

import signal
from typing import Any

import pytest
import torch

from sivae_translate.training.agreement import Agreement
from sivae_translate.training.processes import new_accelerator
from sivae_translate.training.stop import Stop


class TwoProcesses:
    """This process and one that takes twice as long and whose signal is `signal`."""

    num_processes, device = 2, torch.device("cpu")

    def __init__(self) -> None:
        self.signal, self.gathered = 0, 0

    def gather(self, own: torch.Tensor) -> torch.Tensor:
        self.gathered += 1
        other = torch.tensor([[2 * float(own[0, 0]), float(self.signal)]], dtype=own.dtype)
        return torch.cat([own, other])


def agreement(accelerator: Any) -> Agreement:
    return Agreement(accelerator, Stop())


def test_a_single_process_counts_every_step_and_stops_after_the_step() -> None:
    agree = agreement(new_accelerator("cpu", "fp32"))
    assert [agree(0.25) for _ in range(3)] == [0.25] * 3 and not agree.stop.asked()
    agree.stop.received = signal.SIGTERM
    agree(0.25)
    assert agree.stop.asked() and agree.stop.signal == signal.SIGTERM


@pytest.mark.parametrize(("seconds", "steps"), [(0.01, 50), (0.2, 2), (3.0, 1)])
def test_several_processes_check_about_once_a_second_of_the_slowest(seconds: float, steps: int) -> None:
    accelerator = TwoProcesses()
    agree = agreement(accelerator)
    added = [agree(seconds) for _ in range(400)]
    assert accelerator.gathered == sum(value > 0 for value in added)
    checks = [index for index, value in enumerate(added) if value > 0]
    assert checks[-1] - checks[-2] == pytest.approx(steps, abs=1)
    assert sum(added) == pytest.approx(2 * seconds * (checks[-1] + 1))


def test_a_signal_of_another_process_stops_this_one_at_the_next_check() -> None:
    accelerator = TwoProcesses()
    agree = agreement(accelerator)
    for _ in range(100):
        agree(0.01)
    accelerator.signal, before = signal.SIGTERM, accelerator.gathered
    for _ in range(60):
        assert agree.stop.asked() == (accelerator.gathered > before)
        agree(0.01)
    assert agree.stop.asked() and agree.stop.received is None


def test_an_own_signal_waits_for_the_check_too() -> None:
    accelerator = TwoProcesses()
    agree = agreement(accelerator)
    for _ in range(100):
        agree(0.01)
    agree.stop.received, before = signal.SIGINT, accelerator.gathered
    while accelerator.gathered == before:
        assert not agree.stop.asked()
        agree(0.01)
    assert agree.stop.signal == signal.SIGINT


def test_means_are_over_processes() -> None:
    class Other(TwoProcesses):
        def gather(self, own: torch.Tensor) -> torch.Tensor:
            return torch.cat([own, own + 2])

    assert agreement(Other()).mean({"rec": 1.0, "gap": -1.0}) == {"rec": 2.0, "gap": 0.0}
    assert agreement(Other()).mean({}) == {}
