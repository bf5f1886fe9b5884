"""A batch in slices, as of several processes or of gradient accumulation, has the losses of the whole batch.

Three things see the rows of their own slice alone: translations and style mixing take the style of another pair of the
slice, feature matching takes the variance of the slice, and IntroVAE's hinge is over the mean of the slice.
"""

from __future__ import annotations

import pytest
from regression.curves import FOLDER, curve
from regression.test_curves import read


@pytest.mark.parametrize("kind", ["conv", "style-vector", "synthesis"])
def test_losses_of_independent_rows_are_those_of_the_whole_batch(kind: str) -> None:
    for found, whole in zip(read(curve(kind, "vae", accumulate=2)), read(curve(kind, "vae")), strict=True):
        assert found == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("kind", ["conv", "style-vector"])
def test_adversarial_losses_stay_within_a_few_percent(kind: str) -> None:
    golden = read((FOLDER / f"{kind}-soft-introvae.txt").read_text())
    for found, whole in zip(read(curve(kind, "soft-introvae", accumulate=2)), golden, strict=True):
        assert found.pop("gap", 0) == pytest.approx(whole.pop("gap", 0), abs=0.1)  # a difference of about 20 nats each
        assert found["rec"] == pytest.approx(whole["rec"], rel=5e-3)
        assert found == pytest.approx(whole, rel=0.05)


def test_recomputed_passes_have_the_same_losses_to_the_bit() -> None:
    assert curve("style-layout", "soft-introvae", recompute=True) == curve("style-layout", "soft-introvae")
