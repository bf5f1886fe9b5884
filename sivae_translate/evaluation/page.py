"""A report as a page for people: one HTML file beside its pictures, without scripts or links elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sivae_translate.evaluation.tables import parts, summaries
from sivae_translate.evaluation.verdict import verdict
from sivae_translate.pages.templates import render


def page(report: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    """The report as HTML; every text is escaped.

    Args:
        pictures: captions by the names of files beside the page.
    """
    return render(
        "evaluation",
        "page.html.j2",
        title=f"Evaluation of {report['model']}",
        facts=facts(report),
        findings=verdict(report),
        tables=[*summaries(report), *parts(report)],
        lists={
            "Notes": report["notes"],
            "Left out": [f"{path}: {reason}" for path, reason in report["left_out"].items()],
        },
        pictures=pictures,
    )


def facts(report: Mapping[str, Any]) -> list[str]:
    """The conditions that all figures of the report share."""
    return [
        f"{report['size']} px",
        f"inversion steps: {report['inversion_steps']}",
        f"style correction: {report['style_correction']}",
        f"features: {report['extractor']}",
        report["perceptual"],
        f"seed: {report['seed']}",
    ]
