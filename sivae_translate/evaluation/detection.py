"""Out-of-distribution detection: how well a model's scores separate two sets of images.

The set "in" has the distribution of the training images and none of these images. The set "out" has another one.
AUROC is the probability that an image of "in" scores above one of "out". AUPR is the average precision, "in" positive.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sivae_translate.data.listing import LeftOut, Listing
from sivae_translate.errors import UsageError, shown
from sivae_translate.extras import require
from sivae_translate.inference.files import read
from sivae_translate.inference.inputs import list_inputs
from sivae_translate.inference.translator import Translator
from sivae_translate.progress import Progress
from sivae_translate.reports import begin_report, report_folder, write_report
from sivae_translate.types import Scores

# Each score times its sign is higher for images like the training images.
SIGNS = {"bound": 1, "elbo": 1, "kl": -1, "rec": -1}
LABELS = {
    "bound": "importance-weighted bound on log p(x), nats", "elbo": "ELBO, nats", "kl": "KL(q(z|x) || p(z)), nats",
    "rec": "squared error of the reconstruction",
}  # fmt: skip
RESAMPLES, CONFIDENCE = 1000, 0.95
FEWEST = 20  # images of each set for an interval; with fewer it may miss the figure itself
BINS, MARGIN = 60, 3  # of a histogram: bins, and the range on either side in widths of "in"


@dataclass(frozen=True)
class Scored:
    """The images of a set with their scores, in the same order, and the pictures that are left out."""

    paths: list[Path]
    scores: Scores
    bad: list[LeftOut]

    def values(self, name: str) -> np.ndarray:
        """One of the scores, float64 `[n]`."""
        return np.asarray(getattr(self.scores, name))


def find_sets(inside: str | Path, outside: str | Path | None, out: str | Path) -> dict[str, Listing]:
    """The images of "in" and, where it is given, of "out", and what is left out of each.

    Raises:
        UsageError: no such folder, no image in it, an image in both, `out` among them, or two sets without the extras
            `evaluation` and `plots`.
    """
    out = Path(out)
    folders = {"in": Path(inside)} | ({"out": Path(outside)} if outside is not None else {})
    sets = {name: list_inputs(folder) for name, folder in folders.items()}
    if outside is None:
        return sets
    require("sklearn", "evaluation")
    require("matplotlib", "plots")
    for folder in folders.values():
        if folder.resolve() in (out.resolve(), *out.resolve().parents):
            raise UsageError(f"{out} is among the images of {shown(folder)}: choose another with --out")
    twice = set.intersection(*({path.resolve() for path in listing.images} for listing in sets.values()))
    if twice:
        raise UsageError(f"{shown(min(twice))} is in both sets ({len(twice)} such): expected sets that share no image")
    report_folder(out, "ood")
    return sets


def score_set(
    translator: Translator,
    images: Listing,
    how: Mapping[str, Any],
    *,
    batch: int = 32,
    progress: Progress | None = None,
) -> Scored:
    """Score the images of a folder, `batch` at a time; `how` are arguments of `Translator.score`.

    Raises:
        UsageError: no image can be read.
    """
    kept, parts, bad = list[Path](), list[Scores](), images.lost
    for rows, x in read(translator, images.images, bad, batch, progress):
        kept += [images.images[row] for row in rows]
        parts.append(translator.score(x, **how, batch=batch))
    return Scored(kept, Scores.cat(parts), bad)


def evaluate_ood(inside: Scored, outside: Scored, out: str | Path, how: Mapping[str, Any]) -> dict[str, Any]:
    """AUROC and AUPR of each score, with 95 % intervals, or None where there is none; see `separation`.

    Returns, and writes to `out/report.json`:
        n of each set, the arguments `how`, chance, left_out (reasons by file), and sign, AUROC and AUPR of each score.
        Score x sign is higher for "in". `out/scores.csv` has a row per image, `out/histogram.png` shows both sets.
    """
    out = Path(out)
    n = {"in": len(inside.paths), "out": len(outside.paths)}
    figures = {
        name: {"sign": sign, **separation(sign * inside.values(name), sign * outside.values(name), how["seed"])}
        for name, sign in SIGNS.items()
    }
    report: dict[str, Any] = {
        "n": n,
        **how,
        "resamples": RESAMPLES,
        "confidence": CONFIDENCE,
        "chance": {"auroc": 0.5, "aupr": n["in"] / sum(n.values())},
        "scores": figures,
        "left_out": {str(bad.path): bad.reason for bad in (*inside.bad, *outside.bad)},
    }
    begin_report(out, "ood")
    write_scores(inside, outside, out / "scores.csv")
    histograms(inside, outside, figures, out / "histogram.png")
    write_report(out, "ood", report)
    return report


def separation(inside: np.ndarray, outside: np.ndarray, seed: int) -> dict[str, Any]:
    """AUROC and AUPR of scores `[n]` and `[m]`, `inside` positive, with bootstrap intervals; see `interval`.

    Each set is resampled by itself. There are no intervals for fewer than `FEWEST` scores in a set.
    """
    metrics = require("sklearn.metrics", "evaluation")
    scores, positive = np.append(inside, outside), np.arange(len(inside) + len(outside)) < len(inside)
    order = np.argsort(-scores, kind="stable")
    last_of_ties = np.flatnonzero(np.append(np.diff(scores[order]), -1))
    random, resampled = np.random.default_rng(seed), []
    for _ in range(RESAMPLES):
        counts = [np.bincount(random.integers(n, size=n), minlength=n) for n in (len(inside), len(outside))]
        resampled.append(areas(np.concatenate(counts)[order], positive[order], last_of_ties))
    auroc, aupr = metrics.roc_auc_score(positive, scores), metrics.average_precision_score(positive, scores)
    enough = min(len(inside), len(outside)) >= FEWEST
    aurocs, auprs = np.transpose(resampled)
    return {
        "auroc": round(float(auroc), 4),
        "auroc_interval": interval(aurocs) if enough else None,
        "aupr": round(float(aupr), 4),
        "aupr_interval": interval(auprs) if enough else None,
    }


def interval(values: np.ndarray) -> list[float] | None:
    """The percentile interval of a figure (Efron 1979), from its values in bootstrap resamples `[r]`.

    None: the resamples agree, as for sets that do not overlap; they then tell nothing about the uncertainty.
    """
    if np.ptp(values) == 0:
        return None
    return np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]).round(4).tolist()  # type: ignore[no-any-return]


def areas(counts: np.ndarray, positive: np.ndarray, last_of_ties: np.ndarray) -> tuple[float, float]:
    """AUROC and AUPR of images in falling order of score, with integer weights `counts`, all `[n]`.

    The values are scikit-learn's under `sample_weight`, whose calls would take minutes for the bootstrap.
    """
    found, false = (np.cumsum(counts * side)[last_of_ties] for side in (positive, ~positive))
    recall = found / found[-1]
    before = np.append(0, recall[:-1])
    auroc = np.diff(false, prepend=0) @ (recall + before) / (2 * false[-1])
    aupr = (recall - before) @ (found / np.maximum(found + false, 1))
    return float(auroc), float(aupr)


def write_scores(inside: Scored, outside: Scored, file: Path) -> None:
    """`scores.csv`: path, set and the four scores of every image."""
    with file.open("w", newline="", encoding="utf-8", errors="surrogateescape") as lines:
        writer = csv.writer(lines)
        writer.writerow(["path", "set", *SIGNS])
        for name, scored in (("in", inside), ("out", outside)):
            columns = [scored.values(score).tolist() for score in SIGNS]
            writer.writerows((cell(path), name, *row) for path, *row in zip(scored.paths, *columns, strict=True))


def cell(path: Path) -> str:
    """A path for a cell of a CSV file; a spreadsheet would compute one that begins with =, +, - or @."""
    return f"./{path}" if str(path).startswith(("=", "+", "-", "@")) else str(path)


def histograms(inside: Scored, outside: Scored, figures: Mapping[str, Any], file: Path) -> None:
    """Histograms of both sets for each score, over a range around "in"."""
    figure = require("matplotlib.figure", "plots").Figure(figsize=(11, 7), layout="constrained")
    for axes, (name, label) in zip(figure.subplots(2, 2).flat, LABELS.items(), strict=True):
        sets = {"in": inside.values(name), "out": outside.values(name)}
        both, (first, last) = np.concatenate(list(sets.values())), np.quantile(sets["in"], [0.01, 0.99])
        reach = MARGIN * (last - first) or np.ptp(both)
        low, high = max(both.min(), first - reach), min(both.max(), last + reach)
        bins = np.linspace(low, high, BINS + 1)
        for which, values in sets.items():
            fractions = np.full(len(values), 1 / len(values))
            axes.hist(values.clip(low, high), bins, weights=fractions, alpha=0.6, label=f"{which} ({len(values):,})")
        axes.set(xlabel=label, ylabel="fraction of the set", title=f"{name}: AUROC {figures[name]['auroc']:.3f}")
        axes.legend()
    figure.supxlabel("images beyond the range are counted in the outermost bins", fontsize="small")
    figure.savefig(file, dpi=100)
