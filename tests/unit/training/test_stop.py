"""Signals that stop a run: the first after the step, the second at once, further ones not at all."""

from __future__ import annotations

import signal

import pytest

from sivae_translate.training.stop import Stop


def test_the_second_signal_ends_at_once_and_a_third_does_not_disturb_the_clean_up() -> None:
    stop, cleaned = Stop(), False
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as caught, stop.listening():
        try:
            signal.raise_signal(signal.SIGINT)
            assert stop.received == signal.SIGINT
            signal.raise_signal(signal.SIGTERM)
            raise AssertionError("the second signal was ignored")
        finally:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            cleaned = True
    assert cleaned and caught.value.args == (signal.SIGTERM,) and stop.received == signal.SIGINT
    assert signal.getsignal(signal.SIGINT) is before
