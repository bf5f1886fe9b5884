"""The style-based model: modulation, noise and style mixing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sivae_translate.models import MODELS, SynthesisAutoencoder
from sivae_translate.objectives import OBJECTIVES
from sivae_translate.objectives.sampling import sample
from sivae_translate.types import Batch, Code, Posterior


def fresh(**settings: Any) -> SynthesisAutoencoder:
    torch.manual_seed(0)
    small = {"latent": 12, "mapping": 2, "width": 16, "max_width": 32, **settings}
    built = MODELS["synthesis"](domains=("a",), size=32, **small)
    assert isinstance(built, SynthesisAutoencoder)
    return built


def model(**settings: Any) -> SynthesisAutoencoder:
    """A model whose modulations are random rather than 0."""
    network = fresh(**settings)
    for block in network.decoder["image"].blocks:
        nn.init.normal_(block.norm1.affine.weight)
        nn.init.normal_(block.norm2.affine.weight)
    return network


def images(count: int) -> Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def drawn(latents: Posterior) -> Code:
    return sample(latents, torch.Generator().manual_seed(2))


def test_noise_counts_by_its_strength_and_the_mean_code_has_none() -> None:
    network = model()
    code = drawn(network.prior(torch.zeros(3, dtype=torch.int64)))
    assert code.noise is not None
    assert code.noise.shape == (3, sum(side**2 for side in (4, 8, 16)))
    still = Code(code.content)
    assert torch.equal(network.decode(code), network.decode(still))  # strengths begin at 0
    with torch.no_grad():
        for block in network.decoder["image"].blocks:
            block.strength += 0.5
    assert (network.decode(code) - network.decode(still)).abs().max() > 1e-3
    assert torch.equal(
        network.decode(network.encode(images(2)).mean), network.decode(Code(network.encode(images(2)).mean.content))
    )


def test_a_fresh_decoder_ignores_the_latent_but_has_a_gradient_to_its_modulation() -> None:
    network = fresh()
    a, b = (Code(network.encode(images(2)).mean.content * factor) for factor in (1, 5))
    assert torch.equal(network.decode(a), network.decode(b))
    network.decode(a).square().sum().backward()
    assert network.decoder["image"].blocks[0].norm1.affine.weight.grad.abs().max() > 0


def test_noise_of_a_level_enters_at_that_level_alone() -> None:
    network = model()
    code = drawn(network.prior(torch.zeros(1, dtype=torch.int64)))
    assert code.noise is not None
    with torch.no_grad():
        network.decoder["image"].blocks[0].strength += 1.0
    finer = code.noise.clone()
    finer[:, 4 * 4 :] += 1
    assert torch.equal(network.decode(code), network.decode(replace(code, noise=finer)))
    coarse = code.noise.clone()
    coarse[:, 0] += 1
    assert not torch.equal(network.decode(code), network.decode(replace(code, noise=coarse)))


def test_the_strength_of_the_noise_has_a_gradient() -> None:
    network = model()
    batch = Batch(images(4), torch.zeros(4, dtype=torch.int64))
    phases = OBJECTIVES["vae"]().play(network, batch, 0.0, torch.Generator().manual_seed(0), network)
    next(phases).loss.backward()
    gradients = [block.strength.grad for block in network.decoder["image"].blocks]
    assert all(gradient is not None and gradient.abs().max() > 0 for gradient in gradients)


def test_a_latent_for_each_level_decodes_as_one_for_all_where_they_agree() -> None:
    network = model()
    code = Code(network.encode(images(2)).mean.content)
    repeated = Code(code.content.expand(-1, -1, network.levels, -1))
    torch.testing.assert_close(network.decode(code), network.decode(repeated), rtol=0, atol=1e-5)
    changed = repeated.content.clone()
    changed[:, :, -1] += 1
    assert not torch.equal(network.decode(code), network.decode(Code(changed)))


def test_mixing_takes_another_samples_latent_from_some_level_on() -> None:
    network = model(mixing=1.0)
    samples = drawn(network.prior(torch.zeros(64, dtype=torch.int64)))
    mixed = network.mix_styles(samples, torch.Generator().manual_seed(0)).content[..., 0]  # [B, latent, levels]
    own, other = samples.content[:, :, 0], samples.content.roll(1, 0)[:, :, 0]
    from_own = (mixed == own).all(1)
    assert from_own[:, 0].all()  # the coarsest level is always the sample's own
    assert not from_own[:, -1].any()
    assert (from_own[:, 1:] <= from_own[:, :-1]).all()  # the levels after it take the same latent
    assert torch.equal(
        mixed.transpose(1, 2)[~from_own], other.transpose(1, 2).expand(-1, network.levels, -1)[~from_own]
    )
    assert 0.2 < from_own[:, 1].float().mean() < 0.8  # the level is random


def test_no_sample_is_mixed_at_a_fraction_of_zero() -> None:
    network = model(mixing=0.0)
    samples = drawn(network.prior(torch.zeros(5, dtype=torch.int64)))
    mixed = network.mix_styles(samples, torch.Generator().manual_seed(0))
    assert torch.equal(network.decode(mixed), network.decode(samples))


def test_reconstructions_are_never_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    network = model(mixing=1.0)
    decoded: list[Tensor] = []
    decode = network.decode
    monkeypatch.setattr(network, "decode", lambda code: decoded.append(code.content) or decode(code))
    batch = Batch(images(4), torch.zeros(4, dtype=torch.int64))
    next(OBJECTIVES["soft-introvae"]().play(network, batch, 1.0, torch.Generator().manual_seed(0), network))
    reconstructions, samples = (z[..., 0] for z in decoded[:2])
    for z, unmixed in ((reconstructions, True), (samples, False)):
        assert (z == z[:, :, :1]).all(2).all(1).tolist() == [unmixed] * 4


@pytest.mark.parametrize(
    ("settings", "key"),
    [({"latent": 0}, "latent"), ({"mapping": 17}, "mapping"), ({"mixing": 1.5}, "mixing"), ({"patch": 8}, "patch")],
)
def test_impossible_networks_are_errors(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(ValueError, match=f"^{key}"):
        model(**settings)
