"""The contract of every model in MODELS and of every objective in OBJECTIVES."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from sivae_translate.models import MODELS
from sivae_translate.objectives import OBJECTIVES
from sivae_translate.objectives.functional import kl_divergence
from sivae_translate.training.optimizers import Optimizers
from sivae_translate.training.processes import new_accelerator
from sivae_translate.types import Batch, Code, Gaussian

DOMAINS = ("a", "b", "c")
SMALL: dict[str, dict[str, Any]] = {
    "conv": {"latent": 8, "width": 16, "max_width": 32},
    "style": {"content": 8, "style": 6, "width": 16, "max_width": 32},
    "detail": {"style": 6, "width": 16, "prior_width": 16},
    "synthesis": {"latent": 8, "mapping": 2, "width": 16, "max_width": 32},
}

PAIRS = list(itertools.product(OBJECTIVES, MODELS))


def small(name: str, size: int = 16, **settings: Any) -> Any:
    torch.manual_seed(0)
    return MODELS[name](domains=DOMAINS, size=size, **SMALL[name], **settings)


def images(count: int, size: int = 16) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def test_every_model_has_settings_of_a_small_one() -> None:
    assert set(SMALL) == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("size", [16, 32, 128, 512])
def test_codes_and_images_have_the_stated_shapes(name: str, size: int) -> None:
    model = small(name, size)
    code = model.encode(images(2, size)).mean
    assert code.content.shape == (2, *model.content_shape)
    assert (code.style is None) == (model.style_size == 0)
    if code.style is not None:
        assert code.style.shape == (2, model.style_size)
    assert model.decode(code).shape == (2, 3, size, size)
    drawn = model.prior(torch.tensor([0, 2])).draw(torch.randn)
    assert drawn.content.shape == code.content.shape
    assert model.decode(drawn).shape == (2, 3, size, size)


@pytest.mark.parametrize(("stride", "grid"), [(0, 1), (8, 4), (4, 8)])
def test_content_is_a_vector_or_a_layout(stride: int, grid: int) -> None:
    model = small("style", 32, content_stride=stride)
    code = model.encode(images(2, 32)).mean
    assert code.content.shape == (2, 8, grid, grid)
    assert model.decode(code).shape == (2, 3, 32, 32)


@pytest.mark.parametrize("name", MODELS)
def test_training_and_evaluation_mode_agree(name: str) -> None:
    model = small(name)
    x = images(3)
    results = [model.train(mode).decode(model.encode(x).mean) for mode in (True, False)]
    assert torch.equal(*results)


@pytest.mark.parametrize("name", MODELS)
def test_permuting_a_batch_permutes_the_output(name: str) -> None:
    model = small(name)
    x = images(6)
    together, alone = model.decode(model.encode(x).mean), model.decode(model.encode(x[2:3]).mean)
    torch.testing.assert_close(together[2:3], alone, rtol=0, atol=1e-5)
    order = torch.tensor([5, 3, 1, 0, 2, 4])
    torch.testing.assert_close(model.decode(model.encode(x[order]).mean), together[order], rtol=0, atol=1e-5)


def test_no_known_domain_has_the_standard_normal_prior() -> None:
    model = small("style")
    with torch.no_grad():
        for parameter in model.decoder["prior"].parameters():
            parameter.add_(0.1)
    prior = model.prior(torch.tensor([-1, 1])).style
    assert prior.mean[0].abs().max() == 0 and prior.logvar[0].abs().max() == 0
    assert prior.mean[1].abs().min() > 0 and prior.logvar[1].abs().min() > 0


@pytest.mark.parametrize("name", MODELS)
def test_the_kl_of_each_prior_to_itself_is_zero(name: str) -> None:
    model, domains = small(name), torch.tensor([0, 2, -1])
    prior = model.prior(domains)
    parts = [(part, part) for part in (prior.content, prior.style) if isinstance(part, Gaussian)]
    assert parts
    for q, p in parts:
        torch.testing.assert_close(kl_divergence(q, p), torch.zeros(3))


def test_style_and_content_both_change_the_image() -> None:
    model = small("style")
    code = model.encode(images(2)).mean
    plain, restyled = model.decode(code), model.decode(Code(code.content, code.style + 1))
    moved = model.decode(Code(code.content + 1, code.style))
    assert (plain - restyled).abs().max() > 1e-3
    assert (plain - moved).abs().max() > 1e-3


def weights(model: Any) -> dict[str, dict[str, torch.Tensor]]:
    return {
        part: {name: value.clone() for name, value in getattr(model, part).state_dict().items()}
        for part in ("encoder", "decoder")
    }


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> bool:
    return any(not torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(("objective", "model"), PAIRS)
def test_each_phase_updates_its_parts_and_leaves_the_other_bit_identical(objective: str, model: str) -> None:
    network = small(model)
    optimizers = Optimizers(network, new_accelerator("cpu", "fp32"), lr=1e-3, betas=(0.9, 0.99))
    batch = Batch(images(8), torch.tensor([0, 0, 1, 1, 2, 2, -1, -1]))
    updated = set()
    for phase in OBJECTIVES[objective]().play(network, batch, 1.0, torch.Generator().manual_seed(0), network):
        before = weights(network)
        optimizers.step(phase)
        after = weights(network)
        for part in ("encoder", "decoder"):
            assert changed(before[part], after[part]) == (part in phase.updates)
        updated |= set(phase.updates)
        assert phase.loss.dtype == torch.float32
        assert all(value.ndim == 0 for value in phase.terms.values())
    assert updated == {"encoder", "decoder"}


@pytest.mark.parametrize(("objective", "model"), [pair for pair in PAIRS if "detail" not in pair])  # begins low
def test_a_few_steps_bring_the_reconstruction_error_down(objective: str, model: str) -> None:
    network = small(model)
    optimizers = Optimizers(network, new_accelerator("cpu", "fp32"), lr=2e-3, betas=(0.9, 0.99))
    batch = Batch(images(8).round(), torch.tensor([0, 0, 1, 1, 2, 2, 0, 0]))
    errors = []
    for seed in range(25):
        for phase in OBJECTIVES[objective]().play(network, batch, 1.0, torch.Generator().manual_seed(seed), network):
            optimizers.step(phase)
            errors += [phase.terms["rec"].item()] if "rec" in phase.terms else []
    assert errors[-1] < 0.9 * errors[0]


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"size": 20}, "size"),
        ({"patch": 3}, "patch"),
        ({"patch": 4}, "patch"),
        ({"content_stride": 3}, "content_stride"),
        ({"width": 8}, "width"),
        ({"content": 0}, "content"),
    ],
)
def test_impossible_networks_are_errors(settings: dict[str, int], key: str) -> None:
    with pytest.raises(ValueError, match=f"^{key}"):
        MODELS["style"](domains=DOMAINS, **{"size": 16, "width": 16, "max_width": 32, **settings})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("beta_rec", 0.0), ("beta_kl", 0.0), ("beta_style", -1.0), ("back_translation", 1.5),
        ("feature_matching", -1.0), ("vae_fraction", 1.5), ("fake_fraction", 0.0),
        ("beta_neg", 0.0), ("alpha", 0.0), ("gamma_r", -1.0),
    ],
)  # fmt: skip
def test_weights_out_of_range_are_errors(key: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{key}"):
        OBJECTIVES["soft-introvae"](**{key: value})
