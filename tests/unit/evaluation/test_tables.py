"""Tables of a report: a row per metric, parts that share a table, text that lines up, HTML that is escaped."""

from __future__ import annotations

from typing import Any

from sivae_translate.evaluation.page import page
from sivae_translate.evaluation.tables import as_text, parts, summaries


def figure(value: float, each: tuple[str, ...] = (), **baselines: float) -> dict[str, Any]:
    found = {"value": value, "n": 4, "baselines": baselines, "details": {}}
    return {**found, "each": [{"name": name, **found} for name in each]}


def report(**metrics: dict[str, Any]) -> dict[str, Any]:
    return {
        "model": "<model>", "size": 16, "seed": 0, "inversion_steps": 0, "style_correction": 0, "extractor": "e",
        "perceptual": "p", "pairs": {"n": 4}, "domains": {"n": 9, "counts": {"a": 4, "b": 5}}, "metrics": metrics,
        "left_out": {"<b>": "text"}, "notes": [],
    }  # fmt: skip


def test_each_summary_has_a_row_per_metric_and_a_column_per_baseline() -> None:
    both = report(
        psnr=figure(20.0, copy_content=10.0, copy_style=9.0),
        top1_retrieval=figure(0.5, copy_content=0.25, chance=0.125),
        domain_from_content=figure(0.75, chance=0.5),
    )
    pairs, domains = summaries(both)
    assert pairs.title == "4 pairs at 16 px" and len(pairs.rows) == 2
    assert pairs.rows[0][1:] == ["higher", "4", "20.00", "10.00", "9.00", "-"]
    assert pairs.rows[1][1:] == ["higher", "4", "50.0 %", "25.0 %", "-", "12.5 %"]
    assert domains.title == "9 real images of 2 domains" and domains.rows[0][1:] == ["lower", "4", "75.0 %", "50.0 %"]


def test_neighbouring_metrics_of_the_same_parts_share_a_table() -> None:
    readers = ("logistic regression", "MLP")
    shared, alone = parts(
        report(
            psnr=figure(20.0),
            domain_from_content=figure(0.75, readers, chance=0.5),
            domain_from_sampled_content=figure(0.5, readers, chance=0.5),
            diversity_random_vgg16=figure(0.1, ("to a",), real=0.2),
        )
    )
    assert [row[0] for row in shared.rows] == list(readers) and len(shared.head) == 6
    assert alone.rows == [["to a", "4", "0.1000", "0.2000"]]


def test_text_lines_up() -> None:
    lines = as_text(summaries(report(psnr=figure(123.0), ssim=figure(0.5)))[0]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert [line.split()[-1] for line in lines] == ["model", "123.00", "0.500"]


def test_the_page_escapes_every_text() -> None:
    html = page(report(psnr=figure(1.0, copy_content=2.0)), {"a.png": "<caption>"})
    assert "&lt;model&gt;" in html and "&lt;b&gt;: text" in html and "&lt;caption&gt;" in html
    assert "<model>" not in html and "<caption>" not in html
