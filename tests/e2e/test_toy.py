"""The toy commands: one run in the plane, and the tables of many runs."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from command_output import expect_error, numbers
from PIL import Image

from sivae_translate.toy import cells, metrics, table
from sivae_translate.toy.settings import Training, resolve


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics from few points, for tests that read no values."""
    monkeypatch.setattr(metrics, "SAMPLES", 100)
    monkeypatch.setattr(metrics, "REFERENCE", 100)
    monkeypatch.setattr(metrics, "GRID", 10)


def test_a_run_leaves_a_picture_points_and_a_report(cli: Any, tmp_path: Path) -> None:
    out = tmp_path / "new" / "toy"
    result = cli("toy", "--steps", "4", "--seed", "3", "--set", "objective.beta_neg=1", "--out", out)
    assert result.exit_code == 0, result.stderr
    assert str(out / "density.png") in result.stdout
    assert len(result.stdout.splitlines()) == 1
    assert Image.open(out / "density.png").size == (1600, 400)
    assert len((out / "samples.csv").read_text().splitlines()) == 1 + 5000
    report = json.loads((out / "report.json").read_text())
    assert report["objective"]["beta_neg"] == 1 and report["training"]["seed"] == 3
    assert 0 <= report["jsd"] <= math.log(2) and report["kl"] > report["kl_baseline"] > 0
    assert report["collapsed"]
    assert [row["step"] for row in report["course"]] == [0, 1, 2, 3, 4]


def test_the_help_gives_the_default_number_of_steps(cli: Any) -> None:
    assert all(f"[{Training().steps}]" in cli("toy", *words, "--help").stdout for words in ((), ("table",), ("sweep",)))


@pytest.mark.parametrize("objective", ["vae", "introvae", "bootstrap"])
def test_every_objective_runs_on_data_of_unknown_density(cli: Any, tmp_path: Path, objective: str) -> None:
    result = cli("toy", "--objective", objective, "--dataset", "rings", "--steps", "2", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "report.json").read_text())["course"] == []


def test_without_matplotlib_the_error_has_the_command_that_installs_it(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = cli("toy", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "pip install 'sivae-translate[plots]'" in result.stderr and len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_run_that_ends_in_nan_advises_a_lower_learning_rate(cli: Any, tmp_path: Path) -> None:
    result = cli("toy", "--set", "training.lr=1e30", "--steps", "9", "--out", tmp_path)
    assert result.exit_code == 1
    assert "training.lr" in result.stderr.splitlines()[-1] and "1e+30" in result.stderr.splitlines()[-1]


def test_the_table_has_every_cell_and_continues_where_it_stopped(cli: Any, coarse: None, tmp_path: Path) -> None:
    words = ("toy", "table", "--seeds", "1", "--out", tmp_path)
    first = cli(*words, "--steps", "1")
    assert first.exit_code == 0, first.stderr
    assert str(tmp_path / "table.md") in first.stdout
    assert (tmp_path / "table.md").read_text() in first.stdout
    rows = json.loads((tmp_path / "table.json").read_text())
    assert len(rows) == 12 and all(row["runs"] == row["collapsed"] == 1 for row in rows)
    assert first.stdout.count("| *data* |") == 4 and first.stdout.count("1 of 1") == 12

    (tmp_path / "cells" / "vae_rings_0.json").unlink()
    again = cli(*words, "--steps", "1")
    assert numbers(again.stderr)[:2] == [12, 11]
    assert (tmp_path / "cells" / "vae_rings_0.json").exists()

    other = cli(*words, "--steps", "2")
    expect_error(other, 2, tmp_path)
    (tmp_path / "cells" / "vae_rings_0.json").write_text("{")
    assert "vae_rings_0.json" in cli(*words, "--steps", "1").stderr


def test_the_sweep_varies_the_strength_of_the_adversarial_term(
    cli: Any, coarse: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "FACTORS", (0.25, 1.0))
    result = cli("toy", "sweep", "--steps", "1", "--out", tmp_path)
    assert result.exit_code == 0, result.stderr
    rows = json.loads((tmp_path / "sweep.json").read_text())
    knobs = [(row["objective"], row["knob"], row["value"], row["runs"]) for row in rows]
    assert knobs == [
        ("introvae", "margin", 2, 4), ("introvae", "margin", 8, 4),
        ("soft-introvae", "beta_neg", 0.0625, 4), ("soft-introvae", "beta_neg", 0.25, 4),
    ]  # fmt: skip


def test_a_run_that_ends_in_nan_counts_as_a_failure_and_in_no_mean(coarse: None) -> None:
    settings = resolve("vae", "rings", ["training.lr=1e30"], steps=9)
    failed, finished = cells.report(settings), cells.report(resolve("vae", "rings", steps=1))
    assert "error" in failed
    row = table.summary([failed, finished])
    assert (row["runs"], row["not_finite"], row["collapsed"]) == (2, 1, 1)
    assert row["kl"] == [finished["kl"], 0.0]
    assert table.summary([failed])["kl"] is None


@pytest.mark.slow
def test_two_processes_give_the_table_of_one(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "COMPARED", ("soft-introvae",))
    tables = []
    for jobs in (1, 2):
        assert (
            cli("toy", "table", "--seeds", "1", "--steps", "3", "--jobs", jobs, "--out", tmp_path / str(jobs)).exit_code
            == 0
        )
        rows = json.loads((tmp_path / str(jobs) / "table.json").read_text())
        tables.append([{name: value for name, value in row.items() if name != "seconds"} for row in rows])
    assert tables[0] == tables[1]


@pytest.mark.slow
def test_soft_introvae_lowers_kl_plus_entropy_on_the_eight_gaussians(cli: Any, tmp_path: Path) -> None:
    cli("toy", "--steps", "2500", "--out", tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["coverage"] > 0.95 and report["jsd"] < 0.2
    sums = [row["kl"] + row["entropy"] for row in report["course"]]
    assert sums[-1] < sums[10] < sums[5] < sums[2] < sums[1]
    assert report["course"][-1]["entropy"] < -3
