"""Held-out figures against other implementations and known answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor
from torchmetrics.image.kid import poly_mmd

from sivae_translate.training.figures import LinearClassifier, kid, mean_kid, psnr


def features(seed: int, n: int, shift: float = 0.0) -> Tensor:
    return torch.randn(n, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift


def test_psnr_by_hand() -> None:
    x = torch.zeros(3, 3, 4, 4)
    y = torch.stack([torch.full((3, 4, 4), value) for value in (0.1, 1.0, 0.0)])
    assert psnr(x, y).tolist() == pytest.approx([20, 0, 100], abs=1e-4)


def test_psnr_is_that_of_scikit_image() -> None:
    a, b = (torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    expected = [peak_signal_noise_ratio(x.numpy(), y.numpy(), data_range=1) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(psnr(a, b).numpy(), expected, rtol=1e-4)
    assert torch.equal(psnr(a, a), torch.full((3,), 100.0))


def test_kid_is_that_of_torchmetrics() -> None:
    a, b = features(0, 20), features(1, 20, 0.5)
    assert kid(a, b) == pytest.approx(float(poly_mmd(b, a)), rel=1e-6)


def test_images_that_are_not_translated_score_badly_though_the_pooled_sets_are_alike() -> None:
    labels = torch.arange(2).repeat_interleave(50)
    real = features(0, 100) + 3 * labels[:, None]
    copies = features(1, 100) + 3 * (1 - labels[:, None])  # each wants the other domain, and stays in its own
    assert abs(kid(copies, real)) < 0.05 * mean_kid(copies, labels, real, labels)
    assert abs(mean_kid(copies.flip(0), labels, real, labels)) < 0.05 * mean_kid(copies, labels, real, labels)


def test_the_classifier_tells_domains_apart_whatever_their_labels_and_scales() -> None:
    labels = torch.tensor([3, 7, 8]).repeat_interleave(40)
    means = 1e3 * torch.eye(6, dtype=torch.float64)[[0, 1, 2]].repeat_interleave(40, 0)
    classifier = LinearClassifier(100 * features(0, 120) + means, labels)
    new = 100 * features(1, 120) + means
    assert classifier.accuracy(new, labels) > 0.98
    assert classifier.accuracy(new, labels.roll(40)) < 0.02
    constant = torch.cat([new, torch.ones(120, 1, dtype=torch.float64)], 1)
    assert LinearClassifier(constant, labels).accuracy(constant, labels) > 0.98
