"""What the log of a run says in words: only what its figures support."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Literal, NamedTuple

from sivae_translate.objectives.introspective import LEAST_GAP
from sivae_translate.pages.chart import Span
from sivae_translate.training.facts import Facts

Row = Mapping[str, float]
"""A line of the log."""

LEVEL = 0.01  # relative change between two quarters of a phase, below which the error has levelled off
FEWEST = 2  # lines of the log in each of two quarters that are compared
CERTAIN = 2.0  # standard errors by which two means must differ


HELD_OUT = {"psnr": "PSNR {:.2f} dB", "domain_accuracy": "domain accuracy {:.1%}", "kid_random_vgg16": "KID {:.4f}"}
"""Figures on held-out images, by their key."""


class Finding(NamedTuple):
    """A sentence or two, and whether they are good or bad news."""

    text: str
    tone: Literal["good", "bad", ""] = ""


def verdict(rows: Sequence[Row], facts: Facts, vae_fraction: float | None, advice: str | None) -> list[Finding]:
    """The findings on a run, the worst first.

    Args:
        rows: of the log, by ascending number of images.
        vae_fraction: of the budget before the adversarial phase; None for an objective without one.
        advice: of the objective on the last row; see `types.Objective`.
    """
    found = [*divergence(facts), *([Finding(sentence(advice), "bad")] if advice else [])]
    found += adversarial(rows, vae_fraction, known=bool(advice))
    return [*found, *trend(rows, facts)]


def divergence(facts: Facts) -> list[Finding]:
    times = round(-math.log2(facts.lr_scale))
    if not times:
        return []
    text = f"Training diverged, and went back to a checkpoint with {facts.lr_scale:g} of the learning rate."
    return [Finding(text, "bad")]


def adversarial(rows: Sequence[Row], vae_fraction: float | None, known: bool) -> list[Finding]:
    """The gap between the KL of fakes and of real images, over the last quarter of the adversarial phase.

    Args:
        known: whether advice on the last row has been given, which names the gap where fakes pass for real.
    """
    gaps = [row["gap"] for row in rows if math.isfinite(row.get("gap", math.nan))]
    if not gaps:
        if vae_fraction is None:
            return []
        return [Finding(f"The adversarial phase has not begun: it is the last {1 - vae_fraction:.0%} of the budget.")]
    gap = statistics.fmean(gaps[-max(1, len(gaps) // 4) :])
    if gap >= 0:
        return [
            Finding(f"The gap is open: the KL of fakes is {gap:.2g} nats above that of real images, so the "
            "encoder tells them apart.", "good")
        ]  # fmt: skip
    if gap >= LEAST_GAP:
        return [Finding(f"Fakes and real images have nearly the same KL: that of fakes is {-gap:.2g} nats lower.")]
    if known:
        return []
    return [Finding(f"The gap is closed: the KL of fakes is {-gap:.2g} nats below that of real images.", "bad")]


def trend(rows: Sequence[Row], facts: Facts) -> list[Finding]:
    """Whether the reconstruction error still falls, in the last phase with enough lines of the log."""
    parts = list(by_phase(rows))
    for name, group in reversed(parts):
        errors = [row["rec"] for row in group if math.isfinite(row.get("rec", math.nan))]
        quarter = len(errors) // 4
        if quarter >= FEWEST:
            where = f" of the {name}" if len(parts) > 1 else ""
            return [compared(errors[-2 * quarter : -quarter], errors[-quarter:], where, facts.status == "finished")]
    return []


def compared(older: Sequence[float], newer: Sequence[float], where: str, finished: bool) -> Finding:
    """The finding on the errors of two quarters of a phase."""
    before, after = statistics.fmean(older), statistics.fmean(newer)
    spread = math.sqrt((statistics.variance(older) + statistics.variance(newer)) / len(newer))
    change = after / before - 1 if before else 0.0
    between = f"its mean over the last quarter{where} is {abs(change):.1%} {{}} than over the quarter before"
    if abs(change) < LEVEL or abs(after - before) < CERTAIN * spread:
        return Finding(
            f"The reconstruction error has levelled off: {between.format('lower' if change <= 0 else 'higher')}."
        )
    if change > 0:
        return Finding(f"The reconstruction error rises: {between.format('higher')}.", "bad")
    more = ", so a longer training is likely to lower it further" if finished else ""
    return Finding(f"The reconstruction error still falls: {between.format('lower')}{more}.", "good")


def best_held_out(rows: Sequence[Row]) -> list[Finding]:
    """The figures of the best model on held-out images, and of the last one.

    Args:
        rows: of `heldout.jsonl`; those of a model that was the best so far have "best".
    """
    best = next((row for row in reversed(rows) if row.get("best")), None)
    if best is None:
        return []
    text = f"model-best/ is the model after {best['images']:,.0f} images: on held-out images {held_out_figures(best)}."
    if rows[-1] is not best:
        text += f" The model after {rows[-1]['images']:,.0f} images has {held_out_figures(rows[-1])}."
    return [Finding(text)]


def held_out_figures(row: Row) -> str:
    return ", ".join(text.format(row[name]) for name, text in HELD_OUT.items() if name in row)


def phases(rows: Sequence[Row]) -> list[Span]:
    """The phases of training in images seen. A line of the log stands for the images since the line before."""
    spans, start = list[Span](), 0.0
    for name, group in by_phase(rows):
        end = group[-1]["images"]
        spans.append(Span(name, start, end))
        start = end
    return spans


def by_phase(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """The lines of training, which have a learning rate, by phase."""
    lines = [row for row in rows if "lr" in row]
    for adversarial, group in groupby(lines, key=lambda row: "adversarial" in row):
        yield "adversarial phase" if adversarial else "VAE phase", list(group)


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."
