"""Whether translations look like real images: as a set, to a classifier, and by their edges."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from sivae_translate.evaluation.extractors import Extractor, centred
from sivae_translate.evaluation.fidelity import MINIMUM, distance, floor
from sivae_translate.evaluation.probes import FOLDS, told_apart


def gradient(image: np.ndarray) -> float:
    """The mean absolute difference of neighbouring pixels, across and down, of uint8 `[H, W, 3]`, in levels of 255."""
    x = image.astype(np.float64)
    return float((np.abs(np.diff(x, axis=0)).mean() + np.abs(np.diff(x, axis=1)).mean()) / 2)


def sets(
    outputs: Tensor, truths: Tensor, targets: Sequence[Path], extractor: Extractor, seed: int
) -> dict[str, Any] | None:
    """Outputs against their truths as sets, in features `[n, F]` both, a row for each of `targets`.

    Returns:
        What `distance` tells, with n of the distinct truths, the floor of two halves of them, and the balanced accuracy
        of a classifier; None where there are too few truths.
    """
    first: dict[Path, int] = {}
    for row, path in enumerate(targets):
        first.setdefault(path, row)
    if len(first) < MINIMUM:
        return None
    place = {path: i for i, path in enumerate(first)}
    real = truths[list(first.values())]
    a, b = outputs[:, : extractor.compared], real[:, : extractor.compared]
    if extractor.to_centre:
        a, b = centred(a, b), centred(b, b)
    accuracy = told_apart(outputs.numpy(), real.numpy(), np.array([place[path] for path in targets]), seed)
    return {
        "extractor": extractor.name,
        "seed": seed,
        **distance(a, b, extractor.name, seed),
        "n_real": len(real),
        "floor": floor(b, extractor.name, seed),
        "real_or_translated": {
            "n": len(outputs),
            "n_real": len(real),
            "balanced_accuracy": round(accuracy, 4),
            "chance": 0.5,
            "folds": FOLDS,
            "extractor": extractor.read_as,
            "seed": seed,
        },
    }
