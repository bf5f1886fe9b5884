"""The verdict of an evaluation: sentences that its figures support."""

from __future__ import annotations

from typing import Any

import pytest

from sivae_translate.evaluation.verdict import SENTENCES, verdict

COPIES = {"copy_content": 15.0, "copy_style": 12.0}
ACCURACY = {"copy_content": 0.5, "real": 0.9}
CHANCE = {"copy_content": 0.9, "chance": 0.1}


def judged(name: str, value: float, baselines: dict[str, float]) -> Any:
    (finding,) = verdict({"metrics": {name: {"value": value, "baselines": baselines}}})
    return finding


@pytest.mark.parametrize(
    ("name", "value", "baselines", "tone", "words"),
    [
        ("domain_accuracy", 0.88, ACCURACY, "good", "target in 88 % of cases (copies of the content: 50 %"),
        ("domain_accuracy", 0.75, ACCURACY, "", "real images of the domain: 90 %"),
        ("domain_pairs_accuracy", 0.6, ACCURACY, "bad", "target in 60 %"),
        ("psnr", 15.6, COPIES, "good", "nearer to the truth than copies: their PSNR is 15.60 dB"),
        ("psnr", 15.2, COPIES, "", "hardly nearer"),
        ("psnr", 14.9, COPIES, "bad", "farther from the truth than copies: their PSNR is 14.90 dB, and a copy of the "
        "content has 15.00 dB"),
        ("top1_retrieval", 0.8, CHANCE, "good", "Content is kept:"),
        ("top1_retrieval", 0.5, CHANCE, "", "Content is kept in part:"),
        ("top1_retrieval", 0.2, CHANCE, "bad", "Content is lost:"),
        ("domain_pairs_edge_agreement", 0.7, CHANCE, "good", "layout stays: edges agree with the input's by 0.70"),
        ("domain_pairs_edge_agreement", 0.3, CHANCE, "", "layout stays"),
        ("domain_pairs_edge_agreement", 0.19, CHANCE, "bad", "layout is lost"),
        ("gradient_ratio", 0.71, {}, "bad", "Detail is soft: the gradients of translations are 71 % of the truth's"),
        ("gradient_ratio", 1.0, {}, "good", "Detail is right"),
        ("gradient_ratio", 1.3, {}, "bad", "Detail is noisy"),
        ("two_sample", 0.55, {"chance": 0.5}, "good", "hardly: it is right in 55 % of cases (chance: 50 %)"),
        ("two_sample", 0.75, {"chance": 0.5}, "", "often"),
        ("two_sample", 0.99, {"chance": 0.5}, "bad", "easily"),
    ],
)  # fmt: skip
def test_a_figure_is_judged_beside_its_baselines(
    name: str, value: float, baselines: dict[str, float], tone: str, words: str
) -> None:
    finding = judged(name, value, baselines)
    assert finding.tone == tone and words in finding.text


def test_translations_of_domains_that_no_classifier_separates_are_not_blamed() -> None:
    assert judged("domain_accuracy", 0.5, {"copy_content": 0.5, "real": 0.5}).tone == "good"


def test_what_was_not_measured_has_no_sentence() -> None:
    assert verdict({"metrics": {}}) == []
    assert set(SENTENCES) > {"psnr", "domain_accuracy"}
