"""Top-1 retrieval: is a translation nearest to its own truth, among all truths of that domain?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sivae_translate.evaluation.metrics.metric import Figure, Metric
from sivae_translate.evaluation.sets import EvaluationSet, present

NUMBERS = 2**24  # of either side in memory at a time, 128 MiB as float64


def candidates_by_domain(targets: Sequence[Path]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For each folder of truths: its pairs, its distinct truths, and the truth of each pair.

    Pairs and truths are rows of `targets`; a truth is the first row with its file. The third array indexes the second.
    """
    folders: dict[Path, dict[Path, list[int]]] = {}
    for row, path in enumerate(targets):
        folders.setdefault(path.parent, {}).setdefault(path, []).append(row)
    found = []
    for truths in folders.values():
        correct = [(row, index) for index, rows in enumerate(truths.values()) for row in rows]
        rows, indices = (np.array(column) for column in zip(*correct, strict=True))
        found.append((rows, np.array([rows[0] for rows in truths.values()]), indices))
    return found


def top1(images: np.ndarray, truths: np.ndarray, targets: Sequence[Path]) -> float:
    """Fraction of images, uint8 `[n, H, W, 3]`, to which no candidate is nearer than their own truth.

    The distance is the mean squared error over pixels. A tie counts as found.
    """
    step, hits = max(1, NUMBERS // images[0].size), 0
    for rows, candidates, correct in candidates_by_domain(targets):
        for start in range(0, len(rows), step):
            x = flat(images[rows[start : start + step]])
            parts = [
                squared_distances(x, flat(truths[candidates[i : i + step]])) for i in range(0, len(candidates), step)
            ]
            distances = np.concatenate(parts, 1)
            own = distances[np.arange(len(x)), correct[start : start + step]]
            hits += int((own <= distances.min(1)).sum())
    return hits / len(targets)


def flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float64)


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """`[n, F]` and `[m, F]` -> `[n, m]`; exact, as float64 holds the sums of squared pixels without rounding."""
    found: np.ndarray = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T
    return found


def compute(s: EvaluationSet) -> Figure:
    pairs = present(s.pairs)
    output, content = (
        top1(pairs.images[column], pairs.images["target"], pairs.targets) for column in ("output", "content")
    )
    counts = np.concatenate(
        [np.full(len(rows), len(candidates)) for rows, candidates, _ in candidates_by_domain(pairs.targets)]
    )
    chance = float((1 / counts).mean())
    return Figure(
        output, len(pairs.targets), {"copy_content": content, "chance": chance},
        {"candidates": round(float(counts.mean()), 2)},
    )  # fmt: skip


TOP1_RETRIEVAL = Metric(
    name="top1_retrieval",
    title="top-1 retrieval",
    needs=("pairs",),
    direction="higher",
    ideal=1.0,
    digits=1,
    percent=True,
    baselines=("copy_content", "chance"),
    note=(
        "How often the truth is nearest to its translation, by mean squared error, among all truths of its domain. "
        "Within a domain only content differs, so the value measures whether content is kept."
    ),
    compute=compute,
)
