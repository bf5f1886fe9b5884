"""The training step, whose phases share passes, has the gradients of the paper's literal step."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from sivae_translate.bench.literal_step import Noise, PaperWeights, literal_step
from sivae_translate.models import ConvAutoencoder
from sivae_translate.objectives import OBJECTIVES
from sivae_translate.types import Batch

ROWS, SIZE = 6, 16
N = 3 * SIZE**2
LR = 0.05  # of the gradient descent between the phases, large enough for the decoder to see another encoder
WEIGHTS = PaperWeights(rec=0.7, kl=1.3, neg=64.0, alpha=2.0, gamma_r=0.5)  # every term is felt

Gradients = dict[str, list[Tensor]]


@pytest.fixture
def model() -> ConvAutoencoder:
    torch.manual_seed(0)
    return ConvAutoencoder(domains=["all"], size=SIZE, latent=8, width=16, max_width=32).double()


@pytest.fixture
def images() -> Tensor:
    return torch.rand(ROWS, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def descend(model: Any, part: str, loss: Tensor, retain_graph: bool = False) -> list[Tensor]:
    """The gradients of a part, by which it is moved."""
    parameters = list(getattr(model, part).parameters())
    gradients = list(torch.autograd.grad(loss, parameters, retain_graph=retain_graph))
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter -= LR * gradient
    return gradients


def shared_step(model: ConvAutoencoder, images: Tensor, seed: int, gamma_r: float) -> Gradients:
    """The gradients of Soft-IntroVAE's phases; a nat weighs the paper's weight over N."""
    objective = OBJECTIVES["soft-introvae"](
        beta_rec=WEIGHTS.rec, beta_kl=WEIGHTS.kl / N, beta_neg=WEIGHTS.neg / N, alpha=WEIGHTS.alpha, gamma_r=gamma_r
    )
    batch = Batch(images, torch.zeros(ROWS, dtype=torch.int64))
    gradients: Gradients = {}
    for phase in objective.play(model, batch, 1.0, torch.Generator().manual_seed(seed), model):
        (part,) = phase.updates
        gradients[part] = descend(model, part, phase.loss, phase.retain_graph)
    return gradients


def replay(model: ConvAutoencoder, seed: int) -> Noise:
    """The noise of the shared step, in its order; the samples' one label is drawn too."""
    g = torch.Generator().manual_seed(seed)

    def normal(rows: int) -> Tensor:
        return torch.randn(rows, *model.content_shape, generator=g)

    real, _ = normal(ROWS), torch.randint(1, (ROWS,), generator=g)
    prior, encoder, decoder = normal(ROWS), normal(2 * ROWS).chunk(2), normal(2 * ROWS).chunk(2)
    return Noise(real, prior.double(), (encoder[0], encoder[1]), (decoder[0], decoder[1]))


@pytest.mark.parametrize("gamma_r", [0.0, WEIGHTS.gamma_r])
def test_gradients_of_both_phases_are_those_of_the_literal_step(
    model: ConvAutoencoder, images: Tensor, gamma_r: float
) -> None:
    literal, expected = copy.deepcopy(model), {}
    weights = PaperWeights(WEIGHTS.rec, WEIGHTS.kl, WEIGHTS.neg, WEIGHTS.alpha, gamma_r)

    def update(part: str, loss: Tensor) -> None:
        expected[part] = descend(literal, part, loss, retain_graph=True)

    literal_step(literal, images, replay(model, seed=4), weights, update)
    ours = shared_step(model, images, 4, gamma_r)
    assert set(ours) == set(expected) == {"encoder", "decoder"}
    for part, gradients in expected.items():
        assert max(gradient.abs().max() for gradient in gradients) > 1e-4
        torch.testing.assert_close(ours[part], gradients, rtol=1e-9, atol=1e-13)
    for a, b in zip(model.parameters(), literal.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-13)
