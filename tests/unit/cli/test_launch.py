"""Whether a command may use GPUs, the words that its processes get, and the setting of --batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sivae_translate.cli.launch import require_gpus, together, without_gpus
from sivae_translate.cli.work import batch_setting
from sivae_translate.errors import UsageError
from sivae_translate.training.processes import LAUNCHER


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process as the second of two."""
    for name, value in zip(LAUNCHER, ("1", "2", "1", "localhost", "1"), strict=True):
        monkeypatch.setenv(name, value)


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_the_processes_get_the_words_without_the_option() -> None:
    words = ["train", "my cars", "--set", "data.size=32"]
    for option in (["--gpus", "2"], ["--gpus=2"]):
        assert without_gpus([*words, *option]) == words
        assert without_gpus([*words[:1], *option, *words[1:]]) == words
        assert without_gpus([*words, *option, "--", "--gpus"]) == [*words, "--", "--gpus"]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_gpus_that_are_there_may_be_used(two_gpus: None, count: int, device: str) -> None:
    require_gpus(count, device, "train")


@pytest.mark.parametrize(
    ("count", "device", "words"),
    [
        (0, "auto", "1 to 2"),
        (3, "auto", "1 to 2"),
        (-1, "cuda", "1 to 2"),
        (2, "cpu", "torchrun"),
        (2, "cuda:1", "--device"),
    ],
)
def test_other_gpus_are_refused(two_gpus: None, count: int, device: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        require_gpus(count, device, "train")


def test_a_process_of_a_launcher_starts_no_others(two_gpus: None, launched: None) -> None:
    with pytest.raises(UsageError, match="one of 2 processes"):
        require_gpus(2, "auto", "train")


def test_a_process_of_a_launcher_has_its_own_share(launched: None) -> None:
    with pytest.raises(UsageError, match="--share 1/2"):
        together("1/2", None)
    with pytest.raises(UsageError, match="--out"):
        together(None, Path("x.png"))


def test_without_a_launcher_a_process_works_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert together("1/2", None) is None
    monkeypatch.setenv("RANK", "1")  # left by a cluster
    assert together(None, None) is None


def test_a_batch_is_short_for_its_setting() -> None:
    assert [batch_setting(text) for text in (None, "auto", "064")] == [[], ["data.batch=0"], ["data.batch=64"]]
    for text in ("", "0", "-2", "x", "1.5", "64 "):
        with pytest.raises(UsageError, match="auto"):
            batch_setting(text)
