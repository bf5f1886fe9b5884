"""Retrieval: is the truth of a translation the nearest of all images that it might have been?

The candidates of a translation are the distinct truths that lie in the folder of its own, so that the domain is given
and content is asked for. n translations, m truths, F numbers of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

TIE = 1e-9  # relative; images that are equal in two files are equally right
NUMBERS = 2**24  # held of either side at a time, 128 MiB as float64

Rows = Callable[[Sequence[int]], np.ndarray]
"""Gives rows `[k, F]` of something by their indices."""


def by_folder(targets: Sequence[Path]) -> list[tuple[list[int], list[int], list[int]]]:
    """For each folder of truths: its translations, its distinct truths, and which of these is each translation's.

    Translations and truths are rows of `targets`, a truth the first row that has it; answers index the truths.
    """
    folders: dict[Path, dict[Path, list[int]]] = {}
    for row, path in enumerate(targets):
        folders.setdefault(path.parent, {}).setdefault(path, []).append(row)
    found = []
    for truths in folders.values():
        answers = [(row, answer) for answer, rows in enumerate(truths.values()) for row in rows]
        found.append(([row for row, _ in answers], [rows[0] for rows in truths.values()], [a for _, a in answers]))
    return found


def top1(outputs: Rows, truths: Rows, targets: Sequence[Path], width: int, *, correlated: bool = False) -> float:
    """The share of translations to which no candidate is nearer than their truth, by Euclidean distance.

    Args:
        outputs, truths: rows `[k, F]` by their places in `targets`, read a part at a time.
        width: F.
        correlated: by correlation instead, of what sets a translation apart from the others of its folder with what
            sets a truth apart from the other candidates.
    """
    step, hits = max(1, NUMBERS // width), 0.0
    for rows, candidates, answers in by_folder(targets):
        made, wanted = outputs, truths
        if correlated:
            made, wanted = standardised(outputs, rows, step), standardised(truths, candidates, step)
        for start in range(0, len(rows), step):
            x = made(rows[start : start + step]).astype(np.float64)
            parts = (wanted(candidates[i : i + step]) for i in range(0, len(candidates), step))
            distances = np.concatenate([squared_distances(x, part.astype(np.float64)) for part in parts], 1)
            own = distances[np.arange(len(x)), answers[start : start + step]]
            found = (own <= distances.min(1) + TIE * (1 + own)).astype(np.float64)
            if correlated:  # nothing sets it apart: a guess, or a model that draws one picture would always be right
                found[~x.any(1)] = 1 / len(candidates)
            hits += float(found.sum())
    return hits / len(targets)


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """`[n, F]` and `[m, F]` -> `[n, m]`."""
    found: np.ndarray = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T
    return found


def chance(targets: Sequence[Path]) -> tuple[float, float]:
    """The mean over translations of 1 / candidates, and of the candidates."""
    counts = np.array([len(candidates) for rows, candidates, _ in by_folder(targets) for _ in rows])
    return float((1 / counts).mean()), float(counts.mean())


def standardised(read: Rows, every: Sequence[int], step: int) -> Rows:
    """The rows less the mean of `every` one, then each without its own mean and of length 1, so that Euclidean
    distances rank as correlations do; 0 where nothing is left. Read `step` rows at a time."""
    middle = sum(read(every[i : i + step]).sum(0, dtype=np.float64) for i in range(0, len(every), step)) / len(every)

    def rows(chosen: Sequence[int]) -> np.ndarray:
        x = read(chosen) - middle
        x = x - x.mean(1, keepdims=True)
        length = np.linalg.norm(x, axis=1, keepdims=True)
        found: np.ndarray = np.where(length > TIE, x, 0) / np.maximum(length, TIE)
        return found

    return rows


def retrieval(targets: Sequence[Path], outputs: Rows, contents: Rows, truths: Rows) -> dict[str, Any]:
    """Top-1 by pixels and by correlation, of translations and of the copied content images, and chance.

    Args:
        outputs, contents, truths: of the pairs, uint8 rows flattened.
    """
    by_chance, candidates = chance(targets)
    found: dict[str, Any] = {"n": len(targets), "candidates": round(candidates, 2), "chance": round(by_chance, 4)}
    width = outputs([0]).shape[1]
    for name, images in {"output": outputs, "copy_content": contents}.items():
        found[f"{name}_pixels"] = round(top1(images, truths, targets, width), 4)
        found[f"{name}_correlation"] = round(top1(images, truths, targets, width, correlated=True), 4)
    return found
