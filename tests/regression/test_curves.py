"""The losses of every objective on every kind of model are what they were."""

from __future__ import annotations

import pytest
from regression.curves import CURVES, FOLDER, STEPS, curve


def read(text: str) -> list[dict[str, float]]:
    """A line a step, `name=value` pairs."""
    return [
        {name: float(value) for name, value in (pair.split("=") for pair in line.split())} for line in text.splitlines()
    ]


@pytest.mark.parametrize(("kind", "objective"), CURVES)
def test_losses_follow_the_golden_curve(kind: str, objective: str) -> None:
    golden = read((FOLDER / f"{kind}-{objective}.txt").read_text())
    found = read(curve(kind, objective))
    assert len(golden) == STEPS
    for expected, step in zip(golden, found, strict=True):
        assert step == pytest.approx(expected, rel=1e-3, abs=1e-5)
