"""What an evaluation says in words: one sentence for each of the figures that people ask for first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from sivae_translate.training.verdict import Finding

NEAR_REAL, HALF_WAY = 0.9, 0.5  # of the way in domain accuracy from untranslated to real images
SOFT, NOISY = 0.85, 1.15  # gradient ratio
NEARER = 0.5  # dB above the better copy
KEPT, LOST = 0.8, 0.3  # top-1 retrieval
HELD, ADRIFT = 0.6, 0.1  # edge agreement, and its distance from chance
HARDLY, EASILY = 0.6, 0.9  # balanced accuracy of the two-sample test

Tone = Literal["good", "bad", ""]
Judged = tuple[str, Tone]
Figure = Mapping[str, Any]
"""A metric as `report.json` has it."""


def verdict(report: Mapping[str, Any]) -> list[Finding]:
    """The findings on a report of `evaluate`, in the order of `SENTENCES`.

    A metric that was not measured gives none.
    """
    return [sentence(report["metrics"][name]) for name, sentence in SENTENCES.items() if name in report["metrics"]]


def domain(figure: Figure) -> Finding:
    """Domain accuracy, between that of untranslated and that of real images."""
    value, copies, real = figure["value"], figure["baselines"]["copy_content"], figure["baselines"]["real"]
    way = (value - copies) / (real - copies) if real > copies else 1.0
    tone: Tone = "good" if way >= NEAR_REAL else "bad" if way < HALF_WAY else ""
    return Finding(
        f"Translations are taken for the target in {percent(value)} of cases (copies of the content: "
        f"{percent(copies)}, real images of the domain: {percent(real)}).",
        tone,
    )


def nearness(figure: Figure) -> Finding:
    """PSNR, beside the better one of both copies."""
    value = figure["value"]
    kind, copy = max(figure["baselines"].items(), key=lambda item: item[1])
    beside = f"{value:.2f} dB, and a copy of the {kind.removeprefix('copy_')} has {copy:.2f} dB."
    if value >= copy + NEARER:
        return Finding(f"Translations are nearer to the truth than copies: their PSNR is {beside}", "good")
    if value >= copy:
        return Finding(f"Translations are hardly nearer to the truth than copies: their PSNR is {beside}")
    return Finding(f"Translations are farther from the truth than copies: their PSNR is {beside}", "bad")


def content(figure: Figure) -> Finding:
    """Top-1 retrieval, beside chance."""
    value, chance = figure["value"], figure["baselines"]["chance"]
    judged: Judged = ("kept", "good") if value >= KEPT else ("lost", "bad") if value < LOST else ("kept in part", "")
    return Finding(
        f"Content is {judged[0]}: among the truths of its domain, a translation's own is the nearest in "
        f"{percent(value)} of cases (chance: {percent(chance)}).",
        judged[1],
    )


def layout(figure: Figure) -> Finding:
    """Edge agreement, beside chance. Between two vendors' drawings of the same things it is .3."""
    value, chance = figure["value"], figure["baselines"]["chance"]
    judged: Judged = ("is lost", "bad") if value < chance + ADRIFT else ("stays", "good" if value >= HELD else "")
    text = f"The layout {judged[0]}: edges agree with the input's by {value:.2f} (with another input's: {chance:.2f})."
    return Finding(text, judged[1])


def detail(figure: Figure) -> Finding:
    """Gradient ratio; that of the truth is 1."""
    value = figure["value"]
    judged: Judged = ("soft", "bad") if value < SOFT else ("noisy", "bad") if value > NOISY else ("right", "good")
    text = f"Detail is {judged[0]}: the gradients of translations are {percent(value)} of the truth's."
    return Finding(text, judged[1])


def separation(figure: Figure) -> Finding:
    """The classifier two-sample test, beside chance."""
    value, chance = figure["value"], figure["baselines"]["chance"]
    judged: Judged = ("hardly", "good") if value <= HARDLY else ("easily", "bad") if value >= EASILY else ("often", "")
    return Finding(
        f"A classifier tells translations from their truths {judged[0]}: it is right in {percent(value)} of cases "
        f"(chance: {percent(chance)}).",
        judged[1],
    )


def percent(value: float) -> str:
    return f"{100 * value:.0f} %"


SENTENCES: dict[str, Callable[[Figure], Finding]] = {
    "domain_accuracy": domain,
    "domain_pairs_accuracy": domain,
    "psnr": nearness,
    "top1_retrieval": content,
    "domain_pairs_edge_agreement": layout,
    "gradient_ratio": detail,
    "two_sample": separation,
}
"""By metric."""
