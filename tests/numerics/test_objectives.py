"""Each objective against its slow reference: both phases, values and gradients, on fresh numbers."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sivae_translate.models import Autoencoder
from sivae_translate.objectives import OBJECTIVES, VAE, Bootstrap, IntroVAE, SoftIntroVAE, vae
from sivae_translate.objectives.vae import BEYOND, Rebuilt
from sivae_translate.types import Batch, Code, Gaussian, Latents, Round


def load_reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", Path(__file__).with_name("reference.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = load_reference()

B, K, S, D, SIDE = 4, 3, 2, 3, 4  # rows, content, style, domains, pixels on a side
N = 3 * SIDE * SIDE
BETA = {"rec": 0.7, "kl": 1.3, "neg": 9.0, "style": 0.2, "alpha": 2.0, "margin": 6.0, "features": 0.4}
COMMON = {"beta_rec": BETA["rec"], "beta_kl": BETA["kl"], "beta_style": BETA["style"], "beta_neg": BETA["neg"]}
COMMON |= {"feature_matching": BETA["features"]}
GAMES = {
    "introvae": IntroVAE(**COMMON, margin=BETA["margin"]),
    "soft-introvae": SoftIntroVAE(**COMMON, alpha=BETA["alpha"], gamma_r=0.5),
    "bootstrap": Bootstrap(**COMMON, alpha=BETA["alpha"], gamma_r=0.5),
}


class LinearAutoencoder(Autoencoder):
    """The reference's networks, weights and all, behind the interface that objectives talk to."""

    domains = ("a", "b", "c")

    def __init__(self, w: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.w = nn.ParameterDict({name: nn.Parameter(torch.tensor(value)) for name, value in w.items()})
        self.players = {
            "encoder": [self.w[name] for name in ("content", "style", "logvar")],
            "decoder": [self.w[name] for name in ("from_content", "from_style", "prior")],
        }

    def features(self, x: Tensor) -> dict[int, Tensor]:
        return {4: x, 1: x.flatten(1) @ self.w["content"].T}

    def posterior(self, features: dict[int, Tensor]) -> Latents:
        x = features[4].flatten(1)
        content = features[1][:, :, None, None]
        return Latents(
            Gaussian(content, torch.zeros_like(content)), Gaussian(x @ self.w["style"].T, x @ self.w["logvar"].T)
        )

    def decode(self, code: Code) -> Tensor:
        assert code.style is not None
        x = code.content.flatten(1) @ self.w["from_content"].T + code.style @ self.w["from_style"].T
        return x.view(-1, 3, SIDE, SIDE)

    def prior(self, domains: Tensor) -> Latents:
        content = torch.zeros(len(domains), K, 1, 1, dtype=torch.float64)
        mean = self.w["prior"][domains]
        return Latents(Gaussian(content, torch.zeros_like(content)), Gaussian(mean, torch.zeros_like(mean)))


@dataclass
class World:
    w: dict[str, np.ndarray]
    model: LinearAutoencoder
    average: LinearAutoencoder
    batch: Batch
    generator: torch.Generator
    step: Any

    def play(self, objective: VAE) -> Iterator[Round]:
        return objective.play(self.model, self.batch, 1.0, self.generator, self.average)


@pytest.fixture(params=GAMES)
def game(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[0, 1, 2])
def world(request: pytest.FixtureRequest, game: str) -> World:
    """Random weights, images and, replayed from the objective's generator, its noise."""
    random = np.random.default_rng(request.param)
    shapes = {"content": (K, N), "style": (S, N), "logvar": (S, N), "from_content": (N, K), "from_style": (N, S)}
    w = {name: 0.3 * random.standard_normal(shape) for name, shape in shapes.items()}
    w["prior"] = random.standard_normal((D, S))
    slow = {name: value + 0.05 * random.standard_normal(value.shape) for name, value in w.items()}
    x, domains = random.random((B, N)), np.array([2, 2, 0, 0])
    seed = 7 + request.param
    g = torch.Generator().manual_seed(seed)
    noise = {"content": torch.randn(B, K, 1, 1, generator=g), "style": torch.randn(B, S, generator=g)}
    sampled = torch.randint(D, (B,), generator=g).numpy()
    rows = {"sample": B, "again": 3 * B, "more": 3 * B}
    if game == "introvae":
        del rows["again"]  # its hinge decodes nothing again
    for kind, count in rows.items():
        noise[f"{kind}_content"] = torch.randn(count, K, 1, 1, generator=g)
        noise[f"{kind}_style"] = torch.randn(count, S, generator=g)
    flat = {name: value.flatten(1).double().numpy() for name, value in noise.items()}
    return World(
        w=w,
        model=LinearAutoencoder(w),
        average=LinearAutoencoder(slow),
        batch=Batch(torch.from_numpy(x).view(B, 3, SIDE, SIDE), torch.from_numpy(domains)),
        generator=torch.Generator().manual_seed(seed),
        step=reference.Step(x, domains, flat, sampled, slow, BETA),
    )


def assert_close(ours: Tensor, expected: np.ndarray | float) -> None:
    np.testing.assert_allclose(ours.detach().numpy(), expected, rtol=2e-4, atol=2e-6)


def test_every_game_is_checked() -> None:
    assert set(GAMES) == set(OBJECTIVES) - {"vae"}


def test_the_encoders_round_agrees_in_value_and_gradient(world: World, game: str) -> None:
    model, w, step = world.model, world.w, world.step
    turn = next(world.play(GAMES[game]))
    assert turn.learns == ("encoder",)
    assert_close(turn.loss, step.encoder_loss(w, w, game))
    gradients = torch.autograd.grad(turn.loss, model.players["encoder"])
    for name, ours in zip(("content", "style", "logvar"), gradients, strict=True):
        assert_close(ours, reference.gradient(lambda moved: step.encoder_loss(moved, w, game), w, name))


def test_the_decoders_round_answers_the_updated_encoder(world: World, game: str) -> None:
    model, w, step, gamma_r = world.model, world.w, world.step, getattr(GAMES[game], "gamma_r", 0.0)
    play = world.play(GAMES[game])
    torch.autograd.grad(next(play).loss, model.players["encoder"], retain_graph=True)
    updated = dict(w)
    for name in ("content", "style", "logvar"):  # any update will do, as long as both know it
        updated[name] = w[name] * 1.1
        with torch.no_grad():
            model.w[name].copy_(torch.from_numpy(updated[name]))
    turn = next(play)
    assert turn.learns == ("decoder",)
    assert_close(turn.loss, step.decoder_loss(updated, w, game, gamma_r))
    gradients = torch.autograd.grad(turn.loss, model.players["decoder"])
    for name, ours in zip(("from_content", "from_style", "prior"), gradients, strict=True):
        expected = reference.gradient(
            lambda moved: step.decoder_loss({**updated, **moved}, w, game, gamma_r), updated, name
        )
        assert_close(ours, expected)


def test_the_hinge_lets_go_beyond_the_margin(world: World, game: str) -> None:
    near, far = (IntroVAE(**COMMON, margin=margin) for margin in (1e-3, 1e3))
    turn = next(world.play(near))
    assert turn.terms["adversarial"] == 0
    world.generator.manual_seed(0)
    assert next(world.play(far)).terms["adversarial"] > 1


def test_the_warm_up_is_the_plain_elbo(world: World, game: str) -> None:
    w, step = world.w, world.step
    rec = reference.decode(w, *step.codes(w))
    kl = reference.kl(w, reference.encode(w, step.x), w["prior"][step.domains], BETA["style"])
    expected = step.scale * (BETA["rec"] * reference.squared_error(step.x, rec) + BETA["kl"] * kl).mean()
    objective = replace(GAMES[game], vae_fraction=0.5)
    (turn,) = objective.play(world.model, world.batch, 0.4, world.generator, world.average)
    assert turn.learns == ("encoder", "decoder")
    assert_close(turn.loss, expected)


def test_rows_are_rebuilt_from_their_translations_too(world: World, game: str) -> None:
    model, w, step, rows = world.model, world.w, world.step, 2
    objective = replace(GAMES[game], vae_fraction=0.5, back_translation=0.5)
    replay = torch.Generator()
    replay.set_state(world.generator.get_state())
    torch.randn(B, K, 1, 1, generator=replay), torch.randn(B, S, generator=replay)
    beyond = BEYOND * torch.rand(rows, 1, generator=replay).double().numpy()
    noise = torch.randn(rows, K, 1, 1, generator=replay).flatten(1).double().numpy()

    def loss(moved: dict[str, np.ndarray]) -> float:
        error = reference.squared_error(step.x, reference.decode(moved, *step.codes(moved)))
        kl = reference.kl(moved, reference.encode(moved, step.x), moved["prior"][step.domains], BETA["style"])
        back_error, back_kl = step.back(moved, w, beyond, noise)
        errors, kls = np.concatenate([error, back_error]), np.concatenate([kl, back_kl])
        return float(step.scale * (BETA["rec"] * errors + BETA["kl"] * kls).mean())

    (turn,) = objective.play(model, world.batch, 0.4, world.generator, world.average)
    assert_close(turn.loss, loss(w))
    gradients = torch.autograd.grad(turn.loss, list(model.w.values()))
    for name, ours in zip(model.w, gradients, strict=True):  # none through the translations themselves
        assert_close(ours, reference.gradient(loss, w, name))


def test_both_rounds_of_the_game_count_the_rebuilt_rows(
    world: World, game: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ones = torch.ones(2, 3, SIDE, SIDE, dtype=torch.float64)
    extra = Rebuilt(ones, ones + 1, torch.full((2,), 5.0, dtype=torch.float64))
    monkeypatch.setattr(vae, "back_translations", lambda *_: extra)
    state, losses = world.generator.get_state(), {}
    for back in (0.0, 0.5):
        world.generator.set_state(state)
        losses[back] = [turn for turn in world.play(replace(GAMES[game], back_translation=back))]
    rec, kl = losses[0.0][0].terms["rec"], losses[0.0][0].terms["kl_real"]
    more_rec, more_kl = ((B * plain + 2 * given) / (B + 2) - plain for plain, given in ((rec, N), (kl, 5)))
    more = world.step.scale * (BETA["rec"] * more_rec + BETA["kl"] * more_kl)
    torch.testing.assert_close(losses[0.5][0].loss, losses[0.0][0].loss + more)
    more = world.step.scale * BETA["rec"] * more_rec
    torch.testing.assert_close(losses[0.5][1].loss, losses[0.0][1].loss + more)
    assert losses[0.5][0].terms["rec"] == rec  # of the images alone, as it was


@pytest.mark.parametrize("progress", [0.0, 1.0])
def test_rows_are_rebuilt_in_their_partners_look(world: World, game: str, progress: float) -> None:
    w, step = world.w, world.step
    looks = torch.rand_like(world.batch.images)
    batch = replace(world.batch, restyled=looks)
    objective = replace(GAMES[game], vae_fraction=0.5)
    turns = []
    for turn in objective.play(world.model, batch, progress, world.generator, world.average):
        torch.autograd.grad(turn.loss, list(world.model.w.values()), retain_graph=True, allow_unused=True)
        turns.append(turn)
    rec, wanted = reference.decode(w, *step.codes(w)), looks.flatten(1).numpy()
    error = reference.squared_error(wanted, rec).mean()
    assert_close(turns[0].terms["rec"], error)
    rest = step.decoder_loss(w, w, game, getattr(GAMES[game], "gamma_r", 0.0))
    rest += step.scale * BETA["rec"] * (error - reference.squared_error(step.x, rec).mean())
    rest += BETA["features"] * (step.missed(w, wanted, rec) - step.missed(w, step.x, rec))
    if progress:  # the decoder's loss moves by the difference of the errors, and by nothing else
        assert_close(turns[1].loss, rest)


def test_features_are_of_the_rows_that_the_encoder_judges(world: World, game: str) -> None:
    w, step, state, losses = world.w, world.step, world.generator.get_state(), {}
    for weight in (0.0, 0.4):
        world.generator.set_state(state)
        losses[weight] = [turn for turn in world.play(replace(GAMES[game], fake_fraction=0.5, feature_matching=weight))]
    rec = reference.decode(w, *step.codes(w))
    assert losses[0.4][0].loss == losses[0.0][0].loss  # the encoder is not told
    assert_close(losses[0.4][1].loss - losses[0.0][1].loss, 0.4 * step.missed(w, step.x[:2], rec[:2]))
