"""The real images that `fidelity` compares with."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sivae_translate.evaluation.fidelity import find_real
from sivae_translate.evaluation.set_distances import MINIMUM


def test_the_real_images_are_spread_over_the_folder(cars: Path, tmp_path: Path) -> None:
    every = sorted((cars / "train").rglob("*.png"))
    assert find_real(cars / "train", 10**6, tmp_path).images == every
    chosen = find_real(cars / "train", MINIMUM, tmp_path).images
    assert len(chosen) == MINIMUM == len(set(chosen)) and chosen[0] == every[0]
    steps = np.diff([every.index(path) for path in chosen])
    assert np.ptp(steps) <= 1
    assert {path.parent for path in chosen} == {path.parent for path in every}
