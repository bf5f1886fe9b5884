"""Tables of many runs in the plane: a comparison of objectives, and a sweep of the adversarial term's weight."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from sivae_translate.checkpoint import write_text_atomic
from sivae_translate.progress import Display, Silent
from sivae_translate.toy.cells import cell, run_cells
from sivae_translate.toy.datasets import DATASETS
from sivae_translate.toy.experiment import Report
from sivae_translate.toy.metrics import COLLAPSED
from sivae_translate.toy.settings import WEIGHTS

COMPARED = ("vae", "introvae", "soft-introvae")
SWEPT = {"introvae": "margin", "soft-introvae": "beta_neg"}  # hyperparameter of the adversarial term
FACTORS = (1 / 16, 1 / 4, 1.0, 4.0, 16.0)  # of its default
FIGURES = ("elbo", "kl", "jsd", "coverage")
FAILED = f"A run fails where its loss is not finite, or where it covers less than {COLLAPSED:.0%} of the data."

Row = dict[str, Any]


def write_table(
    out: Path, *, seeds: int = 5, steps: int | None = None, jobs: int = 1, display: Display | None = None
) -> str:
    """Compare VAE, IntroVAE and Soft-IntroVAE on the four distributions: `out/table.md` and `out/table.json`.

    Args:
        seeds: number of runs of each; means and standard deviations are over these.
        steps: steps of a run; None for the default of `Training`.
        jobs: runs at a time, in processes of one thread each. Finished runs are kept in `out/cells`, so that the same
            call resumes.

    Returns:
        The text of `table.md`.

    Raises:
        UsageError: `out` holds runs of other settings.
    """
    heads = [{"dataset": dataset, "objective": objective} for dataset, objective in product(DATASETS, COMPARED)]
    cells = [cell(head["objective"], head["dataset"], seed, steps) for head in heads for seed in range(seeds)]
    return write(out / "table", rows(heads, run_cells(cells, out, jobs, display or Silent())), table_text)


def write_sweep(
    out: Path, *, seeds: int = 1, steps: int | None = None, jobs: int = 1, display: Display | None = None
) -> str:
    """Count failures for weaker and stronger adversarial terms: `out/sweep.md` and `out/sweep.json`.

    A row is over all four distributions. Arguments, result and errors are those of `write_table`.
    """
    heads: list[Row] = [
        {"objective": objective, "knob": knob, "value": WEIGHTS[objective][knob] * factor}
        for (objective, knob), factor in product(SWEPT.items(), FACTORS)
    ]
    cells = [
        cell(head["objective"], dataset, seed, steps, f"objective.{head['knob']}={head['value']:g}")
        for head in heads
        for dataset, seed in product(DATASETS, range(seeds))
    ]
    return write(out / "sweep", rows(heads, run_cells(cells, out, jobs, display or Silent())), sweep_text)


def write(stem: Path, table: Sequence[Row], text: Callable[[Sequence[Row]], str]) -> str:
    write_text_atomic(stem.with_suffix(".json"), json.dumps(table, indent=2) + "\n")
    write_text_atomic(stem.with_suffix(".md"), text(table))
    return text(table)


def rows(heads: Sequence[Row], reports: Sequence[Report]) -> list[Row]:
    """Each head with the summary of its reports; all heads have equally many."""
    n = len(reports) // len(heads)
    return [{**head, **summary(reports[i * n : (i + 1) * n])} for i, head in enumerate(heads)]


def summary(reports: Sequence[Report]) -> Row:
    """Numbers of runs, of runs that ended in NaN and of collapsed runs; and `[mean, standard deviation]` per metric.

    The means are over runs that did not end in NaN, and None for no such run.
    """
    finite = [report for report in reports if "error" not in report]
    collapsed = sum(report["collapsed"] for report in finite)
    figures = {
        name: spread([report[name] for report in finite])
        for name in (*FIGURES, "kl_baseline", "jsd_baseline", "seconds")
    }  # fmt: skip
    return {"runs": len(reports), "not_finite": len(reports) - len(finite), "collapsed": collapsed, **figures}


def spread(values: Sequence[float]) -> list[float] | None:
    return [fmean(values), stdev(values) if len(values) > 1 else 0.0] if values else None


def table_text(table: Sequence[Row]) -> str:
    lines = [
        f"Mean ± standard deviation over {table[0]['runs']} seeds; grid-normalised ELBO, KL(data || model) and JSD in",
        "nats. Rows *data*: another sample of the data.",
        FAILED,
        "",
        "| dataset | objective | failed | ELBO ↑ | KL ↓ | JSD ↓ | covered ↑ | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for i, row in enumerate(table, start=1):
        figures = [shown(row[name]) for name in (*FIGURES, "seconds")]
        lines.append(line(row["dataset"], row["objective"], failed(row), *figures))
        if i % len(COMPARED) == 0:
            lines.append(
                line(row["dataset"], "*data*", "", "", shown(row["kl_baseline"]), shown(row["jsd_baseline"]), "", "")
            )
    return "\n".join(lines) + "\n"


def sweep_text(table: Sequence[Row]) -> str:
    lines = [FAILED, "", "| objective | adversarial term | failed | by NaN | JSD ↓ |", "|---|---|---|---|---|"]
    for row in table:
        knob = f"{row['knob']} {row['value']:g}"
        lines.append(line(row["objective"], knob, failed(row), str(row["not_finite"]), shown(row["jsd"])))
    return "\n".join(lines) + "\n"


def line(*columns: str) -> str:
    return f"| {' | '.join(columns)} |"


def failed(row: Row) -> str:
    return f"{row['not_finite'] + row['collapsed']} of {row['runs']}"


def shown(figure: list[float] | None) -> str:
    return "" if figure is None else f"{figure[0]:.2f} ± {figure[1]:.2f}"
