"""Gradients by hand."""

from __future__ import annotations

import numpy as np

from sivae_translate.evaluation.metrics.gradient_ratio import mean_gradient


def test_the_mean_gradient_by_hand() -> None:
    image = np.zeros((1, 2, 3, 3), np.uint8)
    image[:, :, 1] = 30  # across: 30 and 30 everywhere; down: 0
    assert mean_gradient(image) == 15
    assert mean_gradient(255 - image) == 15 and mean_gradient(np.full_like(image, 9)) == 0
    assert mean_gradient(np.concatenate([image, np.zeros_like(image)])) == 7.5
