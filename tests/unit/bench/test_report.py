"""The report of benchmarks, and the command that writes it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sivae_translate.bench import report, step
from sivae_translate.bench.ratio import Ratio
from sivae_translate.bench.report import run_benchmarks
from sivae_translate.bench.step import Size, step_ratios
from sivae_translate.errors import UsageError


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two benchmarks of known results; those that ran."""
    ran: list[str] = []

    def known(name: str, ratio: float) -> Callable[[str], Iterator[Ratio]]:
        def measure(device: str) -> Iterator[Ratio]:
            ran.append(f"{name} {device}")
            yield Ratio(name, ratio, 1.0, "images/s", "one", ratio)

        return measure

    monkeypatch.setattr(report, "BENCHMARKS", {"slow": known("slow", 1.5), "fast": known("fast", 4.0)})
    return ran


def test_every_benchmark_runs_unless_some_are_named(benchmarks: list[str]) -> None:
    run_benchmarks([], "cpu")
    assert benchmarks == ["slow cpu", "fast cpu"]
    shown: list[Ratio] = []
    written = run_benchmarks(["fast"], "cpu", shown.append)
    assert benchmarks[2:] == ["fast cpu"]
    assert [ratio.ratio for ratio in shown] == [row["ratio"] for row in written["ratios"]] == [4.0]
    assert written["ratios"][0]["benchmark"] == "fast" and written["ratios"][0]["reference_name"] == "one"
    assert written["machine"].keys() >= {"device", "threads", "torch", "date"}


def test_an_unknown_name_stops_before_anything_is_measured(benchmarks: list[str]) -> None:
    with pytest.raises(UsageError, match="did you mean slow"):
        run_benchmarks(["fast", "slo"], "cpu")
    assert not benchmarks


def test_the_command_prints_ratios_and_writes_a_new_file(benchmarks: list[str], cli: Any, tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    done = cli("bench", "fast", "--device", "cpu", "--out", out)
    assert done.exit_code == 0 and "fast: 4 images/s; one: 1 images/s; ratio 4.00" in done.stdout
    assert json.loads(out.read_text())["ratios"][0]["value"] == 4.0
    again = cli("bench", "fast", "--device", "cpu", "--out", out)
    assert again.exit_code == 2 and benchmarks == ["fast cpu"]


def test_the_step_is_compared_in_every_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "SIZES", (Size(16, 64, 2),))
    monkeypatch.setattr(step, "pick_precision", lambda precision, device: "bf16")
    ratios = list(step_ratios("cpu"))
    assert [(ratio.detail.rpartition(" ")[2], ratio.goal) for ratio in ratios] == [("bf16", 3.0), ("fp32", None)]
    assert all(ratio.ratio == pytest.approx(ratio.reference / ratio.value) for ratio in ratios)
