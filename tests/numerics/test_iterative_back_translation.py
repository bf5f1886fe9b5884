"""Iterative back-translation against the losses of both networks written out, in float64, in each of its stages."""

from __future__ import annotations

import math
from copy import deepcopy

import pytest
import torch
from torch import Tensor

from sivae_translate.models.autoencoder import StyleAutoencoder
from sivae_translate.models.detail import NOISE, DetailAutoencoder
from sivae_translate.models.pyramid import PyramidPrior
from sivae_translate.objectives.iterative_back_translation import iterative_back_translation
from sivae_translate.objectives.sampling import integers, sample, uniform
from sivae_translate.objectives.shifts import random_shifts, shifted
from sivae_translate.objectives.vae import vae
from sivae_translate.types import Batch, Code, Phase

WEIGHTS = {"critic": 0.6, "adversarial": 0.4}
STAGES = {"prior_fraction": 0.2, "adversarial_from": 0.5}
DOMAINS = torch.tensor([0, 0, 1, 1, 2, 2, 0, 0])
N = 3 * 16 * 16
PRIOR, DENSITIES, ADVERSARIAL = 0.1, 0.4, 0.6  # progress in each stage


@pytest.fixture(scope="module")
def model() -> DetailAutoencoder:
    torch.manual_seed(0)
    model = DetailAutoencoder(domains=("a", "b", "c"), size=16, style=5, width=16, prior_width=16).double()
    for parameter in model.parameters():  # also those that begin at zero
        parameter.data += 0.05 * torch.randn(parameter.shape, dtype=torch.float64)
    return model


@pytest.fixture(scope="module")
def averaged(model: DetailAutoencoder) -> DetailAutoencoder:
    other = deepcopy(model)
    for parameter in other.parameters():
        parameter.data += 0.02 * torch.randn(parameter.shape, dtype=torch.float64)
    return other


@pytest.fixture(scope="module")
def batch() -> Batch:
    random = torch.Generator().manual_seed(1)
    images, targets = torch.rand(2, len(DOMAINS), 3, 16, 16, generator=random, dtype=torch.float64)
    return Batch(images, DOMAINS, targets)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(2)


def phase_of(
    model: DetailAutoencoder, averaged: DetailAutoencoder, batch: Batch, progress: float, **weights: float
) -> Phase:
    objective = iterative_back_translation(**(WEIGHTS | STAGES | weights))
    (phase,) = objective.play(model, batch, progress, generator(), averaged)
    return phase


def gradients(loss: Tensor, network: torch.nn.Module) -> list[Tensor]:
    parameters = list(network.parameters())
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]


def energy(model: DetailAutoencoder, x: Tensor, domains: Tensor) -> Tensor:
    """KL at every place, written out."""
    styles, prior = model.style_places(model.features(x)), model.prior(domains).style
    assert prior is not None
    return (styles - prior.mean.detach()[:, :, None, None]).pow(2).sum(1) / 2


def losses(
    model: DetailAutoencoder, averaged: DetailAutoencoder, batch: Batch, progress: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The encoder's loss, the decoder's, and the squared errors of all rows, written out."""
    noise = generator()
    placed = random_shifts(8, noise)
    x, targets = shifted(batch.images, placed), shifted(batch.targets, placed)
    given, means = x - 0.5, model.decoder["prior"].means.detach()
    rough = sample(model.encode(x), noise).content - given
    first = 8 if progress == DENSITIES else 4
    stay = uniform((first,), noise) < 0.25
    there = torch.where(stay, DOMAINS[:first], (DOMAINS[:first] + integers(1, 3, (first,), noise)) % 3)
    spread = 0.6 + 0.4 * uniform((first, 1, 1, 1), noise)
    pyramid = averaged.decoder["pictures"]
    content = pyramid.of(DOMAINS[:first]).transport(given[:first], pyramid.of(there), spread).clamp(-0.5, 0.5)
    encoder = decoder = torch.zeros((), dtype=torch.float64)
    if progress == ADVERSARIAL:
        other = (DOMAINS[4:] + integers(1, 3, (4,), noise)) % 3
        assert (other != DOMAINS[4:]).all()
        translations = model.decode(Code(given[4:], means[other]))
        judged = shifted(translations, random_shifts(4, noise))
        real, fake = energy(model, x, DOMAINS).mean(), energy(model, judged.detach(), other)
        shown = model.encode(x).style
        assert shown is not None
        own = (shown.mean - means[DOMAINS]).pow(2).sum(1).mean() / 2
        encoder = 0.6 * (0.2 * real + torch.exp(-2 * fake).mean() / 2 + own)
        decoder = 0.4 * energy(model, judged, other).mean()
        content = torch.cat([content, translations.clamp(0, 1) - 0.5])
    content = content.detach() + uniform((8, 1, 1, 1), noise) * rough
    outputs = model.decode(Code(content, means[DOMAINS]))
    return encoder, decoder + (outputs - targets).abs().mean(), (outputs - targets).square().sum((1, 2, 3))


def test_the_densities_learn_alone_at_first(
    model: DetailAutoencoder, averaged: DetailAutoencoder, batch: Batch
) -> None:
    phase = phase_of(model, averaged, batch, PRIOR)
    noise = generator()
    x = shifted(batch.images, random_shifts(8, noise))
    content, prior = sample(model.encode(x), noise).content, model.prior(DOMAINS).content
    assert phase.updates == ("decoder",) and isinstance(prior, PyramidPrior)
    assert 0.1 * NOISE < (content - x + 0.5).std() < 2 * NOISE
    torch.testing.assert_close(phase.loss, -prior.log_density(content).mean() / N)
    entropy = 0.5 * N * (1 + math.log(2 * math.pi * NOISE**2))
    torch.testing.assert_close(phase.terms["kl_content"], -prior.log_density(content).mean() - entropy)
    learning = {
        name.split(".")[1]
        for (name, _), gradient in zip(model.named_parameters(), gradients(phase.loss, model), strict=True)
        if gradient.abs().max() > 0
    }
    assert learning == {"pictures"}


@pytest.mark.parametrize("progress", [DENSITIES, ADVERSARIAL])
def test_each_network_follows_its_own_loss(
    model: DetailAutoencoder, averaged: DetailAutoencoder, batch: Batch, progress: float
) -> None:
    phase = phase_of(model, averaged, batch, progress)
    encoder, decoder, squared = losses(model, averaged, batch, progress)
    parts = {"decoder": decoder} | ({"encoder": encoder} if progress == ADVERSARIAL else {})
    assert set(phase.updates) == set(parts)
    torch.testing.assert_close(phase.terms["rec"], squared.mean())
    for part, loss in parts.items():
        ours, theirs = (gradients(value, getattr(model, part)) for value in (phase.loss, loss))
        assert max(float(g.abs().max()) for g in ours) > 1e-4
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b)


def test_style_priors_and_densities_stay_as_they_are_after_the_first_stage(
    model: DetailAutoencoder, averaged: DetailAutoencoder, batch: Batch
) -> None:
    phase = phase_of(model, averaged, batch, ADVERSARIAL)
    for part in ("prior", "pictures"):
        assert all(g.abs().max() == 0 for g in gradients(phase.loss, model.decoder[part]))


@pytest.mark.parametrize("weight", ["critic", "adversarial"])
def test_the_game_has_its_weights(
    model: DetailAutoencoder, averaged: DetailAutoencoder, batch: Batch, weight: str
) -> None:
    part = {"critic": "encoder", "adversarial": "decoder"}[weight]
    found = [
        torch.cat(
            [
                g.flatten()
                for g in gradients(
                    phase_of(model, averaged, batch, ADVERSARIAL, **{weight: w}).loss, getattr(model, part)
                )
            ]
        )
        for w in (0.1, 0.2, 0.3)
    ]
    torch.testing.assert_close(found[2] - found[1], found[1] - found[0])
    assert (found[1] - found[0]).abs().max() > 1e-4


def test_no_advice_while_the_densities_give_way_to_translations() -> None:
    assert iterative_back_translation().diagnose({"kl_content": 3884.0, "rec": 76.0}, N) is None


def test_advice_where_one_side_of_the_game_has_won() -> None:
    objective = iterative_back_translation()
    assert objective.diagnose({"energy_translation": 0.9, "gap": 0.3}, N) is None
    assert "none passes for real: raise objective.adversarial" in str(
        objective.diagnose({"energy_translation": 4.0}, N)
    )
    assert "fakes pass for real: raise objective.critic" in str(objective.diagnose({"gap": -9.0}, N))


def test_a_single_domain_is_redrawn_from_itself(batch: Batch) -> None:
    torch.manual_seed(0)
    model = DetailAutoencoder(domains=("a",), size=16, width=16, prior_width=16).double()
    one = Batch(batch.images, torch.zeros(8, dtype=torch.int64))
    for progress in (PRIOR, DENSITIES, ADVERSARIAL):
        (phase,) = iterative_back_translation(**WEIGHTS, **STAGES).play(model, one, progress, generator(), model)
        assert phase.loss.isfinite()


def test_a_model_without_a_density_of_pictures_gets_the_plain_vae(batch: Batch) -> None:
    torch.manual_seed(0)
    model = StyleAutoencoder(domains=("a", "b", "c"), size=16, width=16, max_width=16).double()
    (ours,) = iterative_back_translation().play(model, batch, 0.0, generator(), model)
    (theirs,) = vae().play(model, batch, 0.0, generator(), model)
    assert torch.equal(ours.loss, theirs.loss) and ours.updates == theirs.updates


@pytest.mark.parametrize("name", ["prior_fraction", "adversarial_from", "critic", "adversarial"])
def test_settings_out_of_range_are_errors(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: must be"):
        iterative_back_translation(**{name: -0.1})
