"""The page of a run, from the files in its folder: status, verdict, curves, sample grids, settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from sivae_translate.pages.chart import Chart, Series, line_chart
from sivae_translate.pages.embed import embed
from sivae_translate.pages.templates import render
from sivae_translate.recipe import Recipe, dump_recipe
from sivae_translate.training.constructors import build_objective
from sivae_translate.training.facts import Facts
from sivae_translate.training.grids import saved_grids
from sivae_translate.training.log import read_rows
from sivae_translate.training.verdict import Finding, Row, best_held_out, phases, verdict

T = TypeVar("T")
Moment = tuple[str, list[tuple[str, str]]]
"""A caption, and (source, text) of each picture."""

LOGS = ("log.jsonl", "heldout.jsonl")  # of training, and of figures on held-out images, where there are any
POINTS = 400  # of a curve, at most
MOMENTS = 12  # of the slider, at most, with up to three grids each
GRID_BYTES = 160_000  # of a grid, at most: a page has 8 MB at most


class Curves(NamedTuple):
    """A chart of terms of the log.

    Attributes:
        terms: the name in the legend by the key in the log. Terms that the log does not have are left out.
        log: whether the y axis is logarithmic.
    """

    title: str
    note: str
    terms: dict[str, str]
    log: bool = False


CURVES = (
    Curves("Reconstruction error", "squared error, summed over an image", {"rec": "training images"}, log=True),
    Curves(
        "KL to the prior",
        "nats; kinds of fakes beside real images",
        {
            "kl_real": "real",
            "kl_rec": "reconstructions",
            "kl_sample": "samples",
            "kl_translation": "translations",
        },
    ),
    Curves("Gap", "nats; KL of fakes less that of real images, best about 0 or above", {"gap": "gap"}),
    Curves("Adversarial term", "of the encoder's loss, weighted", {"adversarial": "adversarial"}, log=True),
    Curves("PSNR of held-out images", "dB; of their reconstructions", {"psnr": "held-out images"}),
    Curves(
        "Domain accuracy, held out",
        "fraction of translations that a classifier takes for their target",
        {"domain_accuracy": "translations", "domain_accuracy_real": "real images"},
    ),
    Curves(
        "KID, held out",
        "to real images, in the features of a random VGG-16; lower is better",
        {"kid_random_vgg16": "translations", "kid_copy": "untranslated"},
    ),
    Curves("Speed", "images a second", {"images_per_s": "images/s"}),
    Curves("Learning rate", "", {"lr": "learning rate"}),
)


def run_page(run: Path, recipe: Recipe, facts: Facts, embedded: Callable[[Path], str] | None = None) -> str:
    """The page as HTML.

    Args:
        run: the folder of `LOGS` and `samples/`.
        recipe: complete.
        embedded: a sample grid as a data URI; see `embed`.

    Raises:
        OSError: a log cannot be read.
    """
    (rows, damaged), (held_out, damaged_too) = (read_log(run / name, facts.images) for name in LOGS)
    return render(
        "training",
        "report.html.j2",
        title=f"Training of {run.resolve().name}",
        facts=facts,
        status=status_line(facts),
        key_figures=key_figures(facts),
        findings=[*findings(rows, recipe, facts), *best_held_out(held_out)],
        charts=charts([*rows, *held_out], facts.images),
        damaged=damaged + damaged_too,
        moments=moments(run / "samples", facts.images, embedded or partial(embed, limit=GRID_BYTES)),
        settings=dump_recipe(recipe),
    )


def read_log(path: Path, images: int) -> tuple[list[dict[str, float]], int]:
    """The rows of a log up to a number of images, and the number of damaged lines; see `read_rows`."""
    rows, damaged = read_rows(path, POINTS)
    return [row for row in rows if row["images"] <= images], damaged


def status_line(facts: Facts) -> str:
    """How far a run is, in a sentence."""
    done = f"{facts.images:,} images seen in {facts.seconds / 60:,.1f} minutes"
    if facts.status == "finished":
        return f"Finished: {done}."
    if facts.status == "running":
        left = f", about {facts.seconds_left / 60:,.1f} minutes left" if facts.seconds_left is not None else ""
        return f"Running: {facts.progress:.0%} of the budget, {done}{left}."
    at = f"at {facts.progress:.0%} of the budget, {done}"
    if facts.status == "interrupted":
        return f"Interrupted {at}. The same command resumes it."
    return f"Failed {at}: {facts.reason}"


def key_figures(facts: Facts) -> dict[str, str]:
    """Headings and their figures, those that are known."""
    found = {"images seen": f"{facts.images:,}", "minutes": f"{facts.seconds / 60:,.1f}"}
    if facts.seconds:
        found["images a second"] = f"{facts.images / facts.seconds:,.0f}"
    if facts.trained_on:
        found["training images"] = f"{facts.trained_on:,}"
        found["domains"] = f"{facts.domains:,}"
        found["times each was seen"] = f"{facts.images / facts.trained_on:,.3g}"
    if facts.peak_memory:
        found["peak memory"] = f"{facts.peak_memory / 1e9:.2f} GB"
    if facts.peak_gpu_memory:
        found["peak GPU memory"] = f"{facts.peak_gpu_memory / 1e9:.2f} GB"
    return found


def findings(rows: Sequence[Row], recipe: Recipe, facts: Facts) -> list[Finding]:
    last = {name: value for name, value in rows[-1].items() if math.isfinite(value)} if rows else {}
    advice = build_objective(recipe).diagnose(last, numel=3 * recipe.data.size**2) if last else None
    return verdict(rows, facts, recipe.objective.get("vae_fraction"), advice)


def charts(rows: Sequence[Row], images: int) -> list[Chart]:
    """A chart of each of `CURVES` that the log has a term of, with the phases marked."""
    spans = phases(rows)
    made = [
        line_chart(
            curves.title,
            [
                Series(name, [(row["images"], row[key]) for row in rows if key in row])
                for key, name in curves.terms.items()
            ],
            note=curves.note,
            log=curves.log,
            spans=spans,
            extent=(0, images),
        )
        for curves in CURVES
    ]
    return [chart for chart in made if chart is not None]


def moments(samples: Path, images: int, embedded: Callable[[Path], str]) -> list[Moment]:
    """The sample grids over time, for the macro `slider`: those of the first, the last and evenly chosen moments."""
    chosen = spread(saved_grids(samples, images), MOMENTS)
    return [(f"{seen:,} images seen", list(pictures(grids, embedded))) for seen, grids in chosen]


def pictures(grids: dict[str, Path], embedded: Callable[[Path], str]) -> Iterator[tuple[str, str]]:
    """(data URI, text) of each grid. One that cannot be read is left out."""
    for text, file in grids.items():
        with suppress(OSError):
            yield embedded(file), text


def spread(items: Sequence[T], count: int) -> list[T]:
    """At most `count` items, evenly chosen, with the first and the last."""
    if len(items) <= count:
        return list(items)
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]
