"""Latent optimisation: the error of every image falls, in any batch, and the weights stay unchanged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sivae_translate.errors import UsageError
from sivae_translate.inference import inversion as inversion_module
from sivae_translate.inference.inversion import eight_bit, invert, tensors
from sivae_translate.inference.translator import Translator
from sivae_translate.objectives.functional import squared_error


@pytest.fixture
def x(translator: Translator, cars: Path) -> Tensor:
    """Six views of two unseen cars, `[6, 3, 16, 16]`."""
    return translator.prepare(sorted((cars / "unseen").rglob("*.png"))[::32])


def error(translator: Translator, x: Tensor, steps: int) -> Tensor:
    return squared_error(x, eight_bit(translator.decode(invert(translator.model, x, steps))))


def test_optimisation_lowers_the_error_of_every_image(translator: Translator, x: Tensor) -> None:
    errors = [error(translator, x, steps) for steps in (0, 5, 30)]
    assert (errors[1] < errors[0]).all() and (errors[2] < errors[1]).all()
    assert (errors[2] < 0.8 * errors[0]).all()


def test_zero_steps_give_the_encoder_s_code(translator: Translator, x: Tensor) -> None:
    code, expected = invert(translator.model, x, 0), translator.encode(x)
    assert all(torch.equal(a, b) for a, b in zip(tensors(code), tensors(expected), strict=True))
    assert not any(t.requires_grad for t in tensors(code))


def test_the_weights_stay_unchanged(translator: Translator, x: Tensor) -> None:
    before = {name: value.clone() for name, value in translator.model.state_dict().items()}
    translator.reconstruct(x, inversion_steps=3)
    assert all(torch.equal(value, before[name]) for name, value in translator.model.state_dict().items())
    assert all(p.grad is None and not p.requires_grad for p in translator.model.parameters())


@pytest.mark.parametrize("rate", [1e3, torch.inf])
def test_an_optimisation_that_diverges_keeps_the_encoder_s_code(
    translator: Translator, x: Tensor, monkeypatch: pytest.MonkeyPatch, rate: float
) -> None:
    before = error(translator, x, 0)
    monkeypatch.setattr(inversion_module, "LEARNING_RATE", rate)
    assert (error(translator, x, 4) <= before).all()


def test_each_image_is_optimised_by_itself(translator: Translator, x: Tensor) -> None:
    together = translator.decode(invert(translator.model, x, 20))
    alone = torch.cat([translator.decode(invert(translator.model, x[i : i + 1], 20)) for i in range(len(x))])
    company = torch.cat([torch.rand(5, *x.shape[1:]), x.flip(0)])
    among_others = translator.decode(invert(translator.model, company, 20))[5:].flip(0)
    assert (together - alone).abs().max() < 1e-3
    assert (together - among_others).abs().max() < 1e-3


def test_pictures_come_back_as_they_were_asked_for(translator: Translator, cars: Path) -> None:
    path = cars / "unseen/car003/el0_az00.png"
    one, (first, second) = translator.reconstruct(path), translator.reconstruct([path, path], inversion_steps=0)
    assert one.size == (16, 16) and one.tobytes() == first.tobytes() == second.tobytes()
    with torch.no_grad():
        better = translator.reconstruct(path, inversion_steps=10)
    assert better.tobytes() != one.tobytes()


def test_one_style_for_all_images_lowers_their_error(translator: Translator, x: Tensor) -> None:
    def total(steps: int) -> float:
        code = invert(translator.model, x, steps, one_style=True)
        assert code.style is not None and len(code) == len(code.style) == len(x)
        assert len(code.style.unique(dim=0)) == 1 and len(code.content.unique(dim=0)) == len(x)
        return float(squared_error(x, eight_bit(translator.decode(code))).sum())

    start, *later = (total(steps) for steps in (0, 1, 3, 30))
    assert all(error <= start for error in later) and later[-1] < 0.9 * start


@pytest.mark.parametrize("rate", [1e3, torch.inf])
def test_one_style_that_diverges_stays_at_its_start(
    translator: Translator, x: Tensor, monkeypatch: pytest.MonkeyPatch, rate: float
) -> None:
    start = invert(translator.model, x, 0, one_style=True)
    monkeypatch.setattr(inversion_module, "LEARNING_RATE", rate)
    found = invert(translator.model, x, 4, one_style=True)
    assert all(torch.equal(a, b) for a, b in zip(tensors(start), tensors(found), strict=True))


def test_one_style_of_one_image_is_its_own(translator: Translator, x: Tensor) -> None:
    own, shared = (invert(translator.model, x[:1], 10, one_style=one) for one in (False, True))
    assert all(torch.equal(a, b) for a, b in zip(tensors(own), tensors(shared), strict=True))


def test_references_are_optimised_together(translator: Translator, x: Tensor) -> None:
    found = translator.style_of(style=x, inversion_steps=10)
    together, apart = (invert(translator.model, x, 10, one_style=one).style for one in (True, False))
    assert together is not None and apart is not None
    assert torch.allclose(found, together.mean(0), atol=1e-4)
    assert not torch.allclose(found, apart.mean(0), atol=1e-2)


def test_a_single_latent_is_optimised_too(untrained: Callable[..., Path], x: Tensor) -> None:
    conv = Translator.from_pretrained(untrained("conv", "a"), device="cpu")
    assert (error(conv, x, 10) < error(conv, x, 0)).all()


def test_eight_bits_are_steps_of_a_level() -> None:
    assert torch.equal(eight_bit(torch.tensor([-1.0, 0.5, 2.0])), torch.tensor([0, 128 / 255, 1]))


def test_a_negative_number_of_steps_is_an_error(translator: Translator, x: Tensor) -> None:
    with pytest.raises(UsageError, match="inversion_steps"):
        translator.reconstruct(x, inversion_steps=-1)


def test_an_optimised_style_lowers_the_error_of_its_reference(translator: Translator, x: Tensor) -> None:
    reference = x[:1]
    assert torch.equal(translator.style_of(style=reference, inversion_steps=0), translator.style_of(style=reference))
    plain, optimised = (
        squared_error(
            reference, translator.translate(reference, translator.style_of(style=reference, inversion_steps=steps))
        )
        for steps in (0, 30)
    )
    assert optimised < plain
