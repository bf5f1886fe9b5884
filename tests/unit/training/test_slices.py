"""Slices of a batch together have the rows, the noise and the gradients of the whole batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sivae_translate.errors import UsageError
from sivae_translate.models import MODELS
from sivae_translate.objectives import OBJECTIVES
from sivae_translate.objectives.sampling import SliceGenerator, integers, noise_source, uniform, uniform_by_pair
from sivae_translate.recipe import load_recipe
from sivae_translate.training.recompute import Recomputed
from sivae_translate.training.slices import more_slices, require_equal_slices, slice_generators, split
from sivae_translate.types import Batch

CPU = torch.device("cpu")
ROWS = 8
MODEL_SETTINGS: dict[str, dict[str, Any]] = {
    "conv": {"latent": 8},
    "style": {"content_stride": 4},
    "detail": {"prior_width": 16},
    "synthesis": {},
}
ADVERSARIAL = {"fake_fraction": 0.5, "feature_matching": 0.1, "back_translation": 0.5}
EVERY_TERM = {"vae": {"back_translation": 0.5}, "iterative-back-translation": {}}


def images() -> Batch:
    x = torch.rand(ROWS, 3, 16, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return Batch(x, torch.tensor([0, 0, 1, 1, 0, 0, 1, 1]))


def gradients(
    name: str, objective: str, weights: dict[str, float], slices: int = 1, recompute: bool = False
) -> list[Tensor]:
    """The gradients of each phase, of a loss that is the mean over slices, in float64."""
    torch.manual_seed(0)
    model = MODELS[name](domains=("a", "b"), size=16, width=16, **MODEL_SETTINGS[name]).double()
    network: Any = Recomputed(model) if recompute else model  # type: ignore[arg-type]
    plays = []
    for rows, generator in zip(split(images(), slices), slice_generators(CPU, 0, 1, slices), strict=True):
        generator.manual_seed(2)
        plays.append(OBJECTIVES[objective](**weights).play(network, rows, 1.0, generator, network))
    found = []
    for phases in zip(*plays, strict=True):
        parameters = [p for part in phases[0].updates for p in getattr(model, part).parameters()]
        for phase in phases:
            (phase.loss / slices).backward(inputs=parameters, retain_graph=phase.retain_graph)
        found += [p.grad for p in parameters if p.grad is not None]
        for p in parameters:
            p.grad = None
    return found


@pytest.mark.parametrize(
    ("name", "objective", "weights"),
    [
        ("style", "vae", {}),
        ("synthesis", "vae", {}),
        ("conv", "soft-introvae", {"fake_fraction": 0.5, "gamma_r": 0.5}),
        ("conv", "bootstrap", {}),
    ],
)
def test_gradients_of_slices_are_those_of_the_batch(name: str, objective: str, weights: dict[str, float]) -> None:
    whole, sliced = (gradients(name, objective, weights, slices) for slices in (1, 2))
    assert max(float(gradient.abs().max()) for gradient in whole) > 1e-3
    torch.testing.assert_close(sliced, whole, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", MODEL_SETTINGS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_recomputed_passes_have_the_same_gradients(name: str, objective: str) -> None:
    weights = EVERY_TERM.get(objective, ADVERSARIAL)
    kept, recomputed = (gradients(name, objective, weights, recompute=recompute) for recompute in (False, True))
    torch.testing.assert_close(recomputed, kept, rtol=0, atol=0)


def test_slices_take_the_pairs_of_a_batch_in_turn() -> None:
    first, second = split(images(), 2)
    assert torch.equal(first.images, images().images[[0, 1, 4, 5]]) and first.domains.tolist() == [0, 0, 0, 0]
    assert torch.equal(second.images, images().images[[2, 3, 6, 7]]) and second.domains.tolist() == [1, 1, 1, 1]


def test_draws_of_slices_are_the_rows_of_the_draw_for_the_batch() -> None:
    """Of two processes, each with two slices, as of one process with a single slice."""

    def draws(generator: SliceGenerator) -> list[Tensor]:
        rows = ROWS // generator.count
        generator.manual_seed(3)
        return [
            noise_source(generator)(torch.Size((3 * rows, 5))),  # three kinds of fake
            uniform((rows, 1), generator),
            integers(0, 100, (rows,), generator),
            uniform_by_pair((rows // 2, 2), generator),
        ]

    whole = draws(SliceGenerator())
    for process in range(2):
        for number, generator in enumerate(slice_generators(CPU, process, 2, 2)):
            pair = process + 2 * number
            own = torch.tensor([2 * pair, 2 * pair + 1])
            noise, fraction, integer, by_pair = draws(generator)
            assert torch.equal(noise, whole[0][torch.cat([own, own + ROWS, own + 2 * ROWS])])
            assert torch.equal(fraction, whole[1][own]) and torch.equal(integer, whole[2][own])
            assert torch.equal(by_pair, whole[3][[pair]])


def test_a_batch_without_whole_pairs_for_each_slice_is_one_line_of_error() -> None:
    recipe = load_recipe("tiny", ["data.batch=32", "training.accumulate=2"])
    require_equal_slices(recipe, 4)
    with pytest.raises(UsageError, match=r"--set data\.batch=36") as caught:
        require_equal_slices(recipe, 3)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("batch", "accumulate", "processes", "more"),
    [(64, 1, 1, 2), (64, 2, 1, 4), (64, 16, 1, 32), (64, 32, 1, None), (18, 1, 1, 3), (14, 1, 1, 7), (64, 16, 2, None)],
)
def test_more_slices_are_whole_pairs_until_each_is_one(
    batch: int, accumulate: int, processes: int, more: int | None
) -> None:
    recipe = load_recipe("tiny", [f"data.batch={batch}", f"training.accumulate={accumulate}"])
    assert more_slices(recipe, processes) == more
    if more is not None:
        require_equal_slices(recipe.override({"training.accumulate": more}), processes)
