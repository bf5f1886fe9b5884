"""KID and FID by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from sivae_translate.evaluation.set_distances import distances, fid, halves, kid


def features(seed: int, n: int = 30, size: int = 6) -> Tensor:
    return torch.randn(n, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def squared_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """Without bias, by the sums of Gretton et al. 2012, lemma 6, under the kernel of KID."""

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    n, m = len(x), len(y)
    xx = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    yy = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return xx + yy - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


def test_kid_is_the_squared_mmd_without_bias() -> None:
    a, b = features(0), 1.3 * features(1) + 0.4
    mean, deviation = kid(a, b, subsets=1, subset_size=30)
    assert mean == pytest.approx(squared_mmd(a.numpy(), b.numpy()), rel=1e-9) and deviation == 0
    mean, deviation = kid(a, b, subset_size=15)
    assert mean == pytest.approx(squared_mmd(a.numpy(), b.numpy()), abs=deviation)
    equal = [kid(features(2 * i), features(2 * i + 1), subsets=1, subset_size=30)[0] for i in range(40)]
    assert abs(np.mean(equal)) < 3 * np.std(equal) / 40**0.5  # above 0 by as much as below


def test_fid_is_that_of_gaussians() -> None:
    a = features(0, 500)
    a = (a - a.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(a.T.cov())).T  # of mean 0 and covariance I
    assert fid(a, a) == pytest.approx(0, abs=1e-6)
    assert fid(a, 3 * a + torch.tensor([1, 2, 0, 0, 0, 0])) == pytest.approx(1 + 4 + 6 * (3 - 1) ** 2)


def test_distances_state_their_n_and_their_subsets() -> None:
    a, b = features(0), features(1)
    inception, random = distances(a, b, "inception"), distances(a, b, "random-vgg16")
    assert list(inception) == ["n", "fid", "kid", "kid_std", "subsets", "subset_size"]
    assert list(random) == ["n", "kid_random_vgg16", "kid_random_vgg16_std", "subsets", "subset_size"]
    assert (random["n"], random["subsets"], random["subset_size"]) == (30, 100, 15)
    assert random["kid_random_vgg16"] == inception["kid"] == pytest.approx(kid(a, b, subset_size=15)[0], abs=1e-6)
    assert distances(features(0, 2300), features(1, 2300), "random-vgg16")["subset_size"] == 1000


def test_kid_follows_its_seed_alone_and_leaves_the_random_state() -> None:
    a, b = features(0), features(1) + 1
    torch.manual_seed(1)
    first, state = kid(a, b, subset_size=10, seed=3), torch.get_rng_state()
    torch.manual_seed(2)
    assert kid(a, b, subset_size=10, seed=3) == first != kid(a, b, subset_size=10, seed=4)
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


def test_halves_are_disjoint_and_follow_the_seed() -> None:
    real = torch.arange(21.0)[:, None]
    a, b = halves(real, seed=0)
    assert len(a) == len(b) == 10 and not set(a.flatten().tolist()) & set(b.flatten().tolist())
    assert torch.equal(halves(real, seed=0)[0], a) and not torch.equal(halves(real, seed=1)[0], a)
