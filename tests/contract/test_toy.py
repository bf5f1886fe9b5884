"""Every objective trains on points in the plane."""

from __future__ import annotations

import itertools

import pytest
import torch

from sivae_translate.objectives import OBJECTIVES
from sivae_translate.toy.datasets import DATASETS
from sivae_translate.toy.settings import WEIGHTS, resolve
from sivae_translate.toy.world import PlaneAutoencoder, train
from sivae_translate.training.state import State


def error(model: PlaneAutoencoder, dataset: str) -> float:
    x = DATASETS[dataset].sample(200, torch.Generator().manual_seed(9))
    with torch.no_grad():
        return (model.decode(model.encode(x).mean) - x).square().sum(1).mean().item()


def trained(objective: str, dataset: str, steps: int, seed: int = 0) -> tuple[PlaneAutoencoder, list[float]]:
    """The trained model, and its reconstruction error before every step and at the end."""
    errors: list[float] = []

    def monitor(model: PlaneAutoencoder, state: State, progress: float) -> None:
        errors.append(error(model, dataset))

    return train(resolve(objective, dataset, steps=steps, seed=seed), monitor), errors


def test_every_objective_has_its_weights() -> None:
    assert set(WEIGHTS) == set(OBJECTIVES) - {"iterative-back-translation"}  # points have no density of pictures


@pytest.mark.parametrize(("objective", "dataset"), [*zip(WEIGHTS, itertools.cycle(DATASETS), strict=False)])
def test_a_few_steps_bring_the_reconstruction_error_down(objective: str, dataset: str) -> None:
    _, errors = trained(objective, dataset, 40)
    assert len(errors) == 41
    assert errors[-1] < 0.9 * errors[0]


def test_a_seed_repeats_a_run() -> None:
    first, again, other = (trained("soft-introvae", "rings", 4, seed)[0].state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_codes_and_points_have_the_stated_shapes() -> None:
    model = PlaneAutoencoder()
    q, prior = model.encode(torch.randn(5, 2)), model.prior(torch.zeros(5, dtype=torch.int64))
    assert q.content.mean.shape == q.content.logvar.shape == prior.content.mean.shape == (5, 2)
    assert q.style is prior.style is None
    assert model.decode(q.mean).shape == (5, 2)
    assert [type(part).__name__ for part in model.decoder] == ["Linear", "ReLU"] * 3 + ["Linear"]
