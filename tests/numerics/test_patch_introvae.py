"""The game on patches against its two losses written out, in float64, and what it does to the networks."""

from __future__ import annotations

from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import Tensor

from sivae_translate.models.autoencoder import ConvAutoencoder, StyleAutoencoder
from sivae_translate.models.detail import DetailAutoencoder
from sivae_translate.objectives.functional import kl_divergence, kl_to_mixture
from sivae_translate.objectives.pairs import of_another_domain, swap_styles
from sivae_translate.objectives.patch_introvae import colour_error, patch_introvae
from sivae_translate.objectives.sampling import sample
from sivae_translate.objectives.shifts import random_shifts, shifted
from sivae_translate.objectives.vae import vae
from sivae_translate.types import Batch, Code, Phase, Posterior

WEIGHTS = {"beta_rec": 1.0, "beta_kl": 0.03, "beta_style": 0.5, "critic": 0.7, "adversarial": 0.4, "colour": 0.3}
DOMAINS = torch.tensor([0, 0, 1, 1, 2, 2, 0, 0])


@pytest.fixture(scope="module", params=["detail", "layout", "vector"])
def model(request: pytest.FixtureRequest) -> StyleAutoencoder:
    torch.manual_seed(0)
    shape = {"size": 16, "content": 6, "style": 5, "width": 16, "max_width": 32}
    shape["content_stride"] = 0 if request.param == "vector" else 4
    kind = DetailAutoencoder if request.param == "detail" else partial(StyleAutoencoder, components=7)
    model = kind(domains=("a", "b", "c"), **shape).double()
    for parameter in model.parameters():  # also those that begin at zero
        parameter.data += 0.05 * torch.randn(parameter.shape, dtype=torch.float64)
    return model


@pytest.fixture(scope="module")
def batch() -> Batch:
    random = torch.Generator().manual_seed(1)
    images, targets = torch.rand(2, len(DOMAINS), 3, 16, 16, generator=random, dtype=torch.float64)
    return Batch(images, DOMAINS, targets)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(2)


def phase_of(model: StyleAutoencoder, batch: Batch, **weights: float) -> Phase:
    (phase,) = patch_introvae(**(WEIGHTS | weights)).play(model, batch, 0.5, generator(), deepcopy(model))
    return phase


def energy(model: StyleAutoencoder, x: Tensor, domains: Tensor) -> Tensor:
    """KL at every place, written out."""
    styles, prior = model.style_places(model.features(x)), model.prior(domains).style
    assert prior is not None
    return (styles - prior.mean.detach()[:, :, None, None]).pow(2).sum(1) / 2


def losses(model: StyleAutoencoder, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """The negative ELBO, the encoder's part of the game and the decoder's, without back-translation."""
    noise, beta = generator(), WEIGHTS
    placed, judged = random_shifts(len(DOMAINS), noise), random_shifts(len(DOMAINS), noise)
    images, targets = shifted(batch.images, placed), shifted(batch.targets, placed)
    q, prior = model.encode(images), model.prior(batch.domains)
    assert q.style is not None and prior.style is not None
    z = swap_styles(sample(q, noise))
    assert z.style is not None
    places = q.content.mean.shape[2] * q.content.mean.shape[3]
    content = kl_to_mixture(q.content, prior.content) / places  # type: ignore[arg-type]
    style = kl_divergence(q.style, prior.style.detach())
    error = (model.decode(z) - targets).pow(2).mean((1, 2, 3))
    elbo = beta["beta_rec"] * error + beta["beta_kl"] * (content + beta["beta_style"] * style)

    other = of_another_domain(batch.domains, noise)
    g, judge = model.decode(Code(z.content.detach(), z.style[other])), deepcopy(model)  # equal, of weights of its own
    seen = shifted(g, judged - placed)  # at `judged`, as x is at `placed`
    real, fake = energy(model, images, batch.domains), energy(model, seen.detach(), batch.domains[other])
    encoder = beta["critic"] * (0.2 * real + torch.exp(-2 * fake) / 2).mean()
    blocks = torch.stack([(g - targets)[..., i::4, j::4] for i in range(4) for j in range(4)]).mean(0)
    to = batch.domains[other]
    blocks = torch.cat([(rows := blocks[to == d]) - rows.mean((0, 2, 3), keepdim=True) for d in to.unique()])
    decoder = beta["adversarial"] * energy(judge, seen, batch.domains[other]).mean()
    return elbo.mean(), encoder, decoder + beta["colour"] * blocks.square().mean()


def gradients(loss: Tensor, of: torch.nn.Module) -> list[Tensor]:
    found = torch.autograd.grad(loss, list(of.parameters()), retain_graph=True, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for g, p in zip(found, of.parameters(), strict=True)]


def test_each_network_follows_its_own_loss(model: StyleAutoencoder, batch: Batch) -> None:
    """The decoder's game reaches the encoder too, but only by the styles of translations."""
    phase = phase_of(model, batch, back_translation=0.0)
    elbo, encoder, decoder = losses(model, batch)
    assert phase.updates == ("encoder", "decoder")
    torch.testing.assert_close(gradients(phase.loss, model.decoder), gradients(elbo + decoder, model.decoder))
    torch.testing.assert_close(gradients(phase.loss, model.encoder), gradients(elbo + encoder + decoder, model.encoder))


def test_the_terms_are_those_of_the_docstring(model: StyleAutoencoder, batch: Batch) -> None:
    terms, placed = phase_of(model, batch, back_translation=0.0).terms, random_shifts(len(DOMAINS), generator())
    assert set(terms) == {"rec", "kl_real", "energy_real", "energy_translation", "gap"}
    torch.testing.assert_close(terms["energy_real"], energy(model, shifted(batch.images, placed), batch.domains).mean())
    elbo, _, _ = losses(model, batch)
    weighted = WEIGHTS["beta_rec"] * terms["rec"] / batch.images[0].numel() + WEIGHTS["beta_kl"] * terms["kl_real"]
    torch.testing.assert_close(weighted, elbo)


def test_the_style_priors_stay_and_the_content_prior_learns(model: StyleAutoencoder, batch: Batch) -> None:
    loss = phase_of(model, batch).loss
    names = [name for name, _ in model.named_parameters()]
    found = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    without = {name for name, gradient in zip(names, found, strict=True) if gradient is None}
    assert without == {"decoder.prior.means", "decoder.prior.logvar"}


def test_rows_are_reconstructed_from_their_translations(model: StyleAutoencoder, batch: Batch) -> None:
    none, half = (phase_of(model, batch, back_translation=fraction) for fraction in (0.0, 0.5))
    assert none.terms["rec"] == half.terms["rec"] and none.loss != half.loss


def test_back_translations_are_compared_with_the_input_at_the_place_of_the_translation(
    model: StyleAutoencoder, batch: Batch
) -> None:
    noise, n = generator(), 4
    placed, judged = random_shifts(len(DOMAINS), noise), random_shifts(len(DOMAINS), noise)
    z = swap_styles(sample(model.encode(shifted(batch.images, placed)), noise))
    assert z.style is not None
    g = model.decode(Code(z.content, z.style[of_another_domain(batch.domains, noise)]))
    content = Posterior(model.encode(shifted(g, judged - placed)[:n]).content)
    targets = shifted(shifted(batch.targets, placed), judged - placed)[:n]
    error = (model.decode(sample(content, noise).with_style_of(z[:n])) - targets).pow(2).mean((1, 2, 3))
    prior, places = model.prior(batch.domains[:n]).content, content.content.mean[0, 0].numel()
    back = error + WEIGHTS["beta_kl"] * kl_to_mixture(content.content, prior) / places  # type: ignore[arg-type]

    elbo, rows = losses(model, batch)[0], len(DOMAINS)
    none, half = (phase_of(model, batch, back_translation=fraction).loss for fraction in (0.0, 0.5))
    torch.testing.assert_close(half - none, (rows * elbo + back.sum()) / (rows + n) - elbo)


def test_translations_are_of_another_domain_wherever_there_is_one() -> None:
    for seed in range(20):
        random = torch.Generator().manual_seed(seed)
        assert (DOMAINS[of_another_domain(DOMAINS, random)] != DOMAINS).all()
        assert of_another_domain(torch.zeros(4, dtype=torch.int64), random).max() < 4
    rows = torch.stack([of_another_domain(DOMAINS, torch.Generator().manual_seed(seed)) for seed in range(50)])
    assert set(rows[:, 0].tolist()) == {2, 3, 4, 5}  # any of the rows of other domains


def test_a_tint_that_a_domain_shares_costs_nothing_and_one_of_an_image_does() -> None:
    x, domains = torch.rand(4, 3, 8, 8, dtype=torch.float64), torch.tensor([0, 0, 1, 1])
    tints = torch.tensor([[0.3, 0, 0], [0.3, 0, 0], [0, 0.1, -0.2], [0, 0.1, -0.2]], dtype=torch.float64)
    assert colour_error(x + tints[:, :, None, None], x, domains) < 1e-12
    apart = colour_error(x + tints.flip(1)[[0, 2, 1, 3], :, None, None], x, domains)
    expected = (tints[0] - tints[2]).square().mean() / 4  # half the difference from each domain's mean
    torch.testing.assert_close(apart, expected)


def test_at_its_minimum_the_energy_is_the_log_ratio_of_densities() -> None:
    """The docstring's claim, for patches of k kinds: a free energy of each kind, descended to its minimum."""
    real, made = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.1, 0.2, 0.7])
    energies = torch.full((3,), 0.3, requires_grad=True)
    adam = torch.optim.Adam([energies], 0.01)
    for _ in range(3000):
        adam.zero_grad()
        loss = (real * 0.2 * energies + made * torch.exp(-2 * energies) / 2).sum()
        (energies.grad,) = torch.autograd.grad(loss, energies)
        adam.step()
        energies.data.clamp_(min=0)
    expected = (torch.log(made / (0.2 * real)) / 2).clamp(min=0)
    torch.testing.assert_close(energies.detach(), expected, atol=1e-2, rtol=0)


def test_without_a_style_it_is_the_plain_vae(batch: Batch) -> None:
    torch.manual_seed(0)
    model = ConvAutoencoder(domains=("a", "b", "c"), size=16, width=16, max_width=32).double()
    (phase,) = patch_introvae(beta_kl=0.02).play(model, batch, 0.0, generator(), model)
    (plain,) = vae(beta_kl=0.02).play(model, batch, 0.0, generator(), model)
    assert phase.loss == plain.loss and phase.terms == plain.terms


def test_weights_out_of_range_name_themselves() -> None:
    for name in WEIGHTS:
        with pytest.raises(ValueError, match=f"{name}: must be {'>= 0' if name == 'colour' else '> 0'}"):
            patch_introvae(**(WEIGHTS | {name: -0.1}))
    with pytest.raises(ValueError, match="back_translation: must be 0 to 1"):
        patch_introvae(back_translation=1.5)


def test_the_side_that_lost_is_to_be_weighted_more() -> None:
    healthy = {"rec": 20.0, "kl_real": 40.0, "energy_real": 0.5, "energy_translation": 1.1, "gap": 0.6}
    objective = patch_introvae()
    assert objective.diagnose(healthy, 3072) is None
    won = objective.diagnose(healthy | {"energy_translation": 4.0, "gap": 3.5}, 3072)
    lost = objective.diagnose(healthy | {"energy_real": 3.0, "gap": -1.9}, 3072)
    assert "raise objective.adversarial (now 0.005)" in str(won) and "4.0 nats" in str(won)
    assert "raise objective.critic (now 0.03)" in str(lost) and "-1.9 nats" in str(lost)
