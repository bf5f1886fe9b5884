"""The script for a GPU, rehearsed on a CPU: its checks pass, and it measures what it says."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from gpu import measure
from gpu.checks import CHECKS

from sivae_translate.bench import gpu
from sivae_translate.bench.ratio import seconds


def test_without_a_gpu_the_script_says_so_in_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert measure.main([]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "GPU" in err


@pytest.mark.parametrize("check", CHECKS)
def test_a_check_passes_in_rehearsal(check: Callable[[str], dict[str, float]]) -> None:
    assert all(math.isfinite(figure) for figure in check("cpu").values())


def test_a_part_that_fails_does_not_lose_the_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("no such kernel")

    parts = [("first", broken), ("second", lambda: iter([{"ok": True}]))]
    monkeypatch.setattr(measure, "parts", lambda device: parts)
    assert measure.main(["--rehearse"]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert "no such kernel" in first and '"ok": true' in second
    measure.main(["--rehearse", "--minutes", "0"])
    assert capsys.readouterr().out.count("left_out") == 2


def test_speeds_are_of_a_recipe_and_beside_the_literal_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "STEPS", 1)
    monkeypatch.setattr(gpu, "in_turn", lambda *calls, **rounds: [seconds(call) for call in calls])
    variants = [gpu.EAGER, gpu.CAPTURED]
    literal = list(gpu.ratios_to_literal(gpu.Size(16, 64, 2), variants, "cpu", 6.0))
    assert [ratio.goal for ratio in literal] == [None, 6.0]
    recipe = list(gpu.recipe_ratios("tiny", 16, 2, variants, "cpu"))
    assert len(recipe) == 4 and all(ratio.value > 0 for ratio in recipe + literal)
