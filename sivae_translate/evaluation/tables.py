"""A report's figures as tables, for the terminal and for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from sivae_translate.evaluation.metrics import METRICS
from sivae_translate.evaluation.metrics.metric import BASELINES, Metric
from sivae_translate.pages.tables import Table

Measured = tuple[Metric, Mapping[str, Any]]
"""A metric with its figure, as `report.json` has it."""


def summaries(report: Mapping[str, Any]) -> list[Table]:
    """One table of the metrics of pairs, and one of those of domains; a row for each metric."""
    found = []
    for need, title in titles(report).items():
        measured = [(metric, figure) for metric, figure in measured_in(report) if metric.needs[0] == need]
        if measured:
            found.append(summary(title, measured))
    return found


def parts(report: Mapping[str, Any]) -> list[Table]:
    """Tables of the parts of metrics, such as domain pairs. Neighbouring metrics of the same parts share a table."""
    measured = [(metric, figure) for metric, figure in measured_in(report) if figure["each"]]
    groups = groupby(measured, key=lambda each: [part["name"] for part in each[1]["each"]])
    return [table_of_parts(names, list(group)) for names, group in groups]


def titles(report: Mapping[str, Any]) -> dict[str, str]:
    """The title of each summary that the report has figures for."""
    pairs, domains = report["pairs"], report["domains"]
    found = {"pairs": f"{pairs['n']:,} pairs at {report['size']} px"} if pairs else {}
    if domains:
        found["domains"] = f"{domains['n']:,} real images of {len(domains['counts']):,} domains"
    return found


def measured_in(report: Mapping[str, Any]) -> list[Measured]:
    return [(metric, report["metrics"][name]) for name, metric in METRICS.items() if name in report["metrics"]]


def baselines_of(measured: Sequence[Measured]) -> list[str]:
    """The baselines that stand beside any of these figures, in the order of `BASELINES`."""
    return [name for name in BASELINES if any(name in figure["baselines"] for _, figure in measured)]


def summary(title: str, measured: Sequence[Measured]) -> Table:
    baselines = baselines_of(measured)
    rows = [
        [
            metric.title,
            metric.shown(metric.ideal) if metric.direction == "ideal" else metric.direction,
            f"{figure['n']:,}",
            metric.shown(figure["value"]),
            *(metric.shown(figure["baselines"].get(name)) for name in baselines),
        ]
        for metric, figure in measured
    ]
    head = ["", "better", "n", "model", *(BASELINES[name] for name in baselines)]
    return Table(title, head, rows, {metric.title: metric.note for metric, _ in measured})


def table_of_parts(names: Sequence[str], measured: Sequence[Measured]) -> Table:
    head, rows = ["", "n"], [[name, f"{part['n']:,}"] for name, part in zip(names, measured[0][1]["each"], strict=True)]
    for metric, figure in measured:
        baselines = baselines_of([(metric, figure)])
        head += [metric.title, *(BASELINES[name] for name in baselines)]
        for row, part in zip(rows, figure["each"], strict=True):
            row += [metric.shown(part["value"]), *(metric.shown(part["baselines"].get(name)) for name in baselines)]
    return Table(", ".join(metric.title for metric, _ in measured), head, rows, {})


def as_text(table: Table) -> str:
    """A table as lines for a terminal: labels on the left, figures on the right of their columns."""
    rows = [[table.title, *table.head[1:]], *([f"  {label}", *cells] for label, *cells in table.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.head))]
    aligned = (
        [label.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))]
        for label, *cells in rows
    )
    return "\n".join("  ".join(cells).rstrip() for cells in aligned)
