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
from sivae_translate.objectives import OBJECTIVES, VAE, Bootstrap, IntroVAE, SoftIntroVAE
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
BETA = {"rec": 0.7, "kl": 1.3, "neg": 9.0, "style": 0.2, "alpha": 2.0, "margin": 6.0}
COMMON = {"beta_rec": BETA["rec"], "beta_kl": BETA["kl"], "beta_style": BETA["style"], "beta_neg": BETA["neg"]}
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

    def encode(self, x: Tensor) -> Latents:
        x = x.flatten(1)
        content = (x @ self.w["content"].T)[:, :, None, None]
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
    assert turn.terms["repelled"] == 0
    world.generator.manual_seed(0)
    assert next(world.play(far)).terms["repelled"] > 1


def test_the_warm_up_is_the_plain_elbo(world: World, game: str) -> None:
    w, step = world.w, world.step
    rec = reference.decode(w, *step.codes(w))
    kl = reference.kl(w, reference.encode(w, step.x), w["prior"][step.domains], BETA["style"])
    expected = step.scale * (BETA["rec"] * reference.squared_error(step.x, rec) + BETA["kl"] * kl).mean()
    objective = replace(GAMES[game], warmup=0.5)
    (turn,) = objective.play(world.model, world.batch, 0.4, world.generator, world.average)
    assert turn.learns == ("encoder", "decoder")
    assert_close(turn.loss, expected)


@pytest.mark.parametrize("progress", [0.0, 1.0])
def test_rows_are_rebuilt_in_their_partners_look(world: World, game: str, progress: float) -> None:
    w, step = world.w, world.step
    looks = torch.rand_like(world.batch.images)
    batch = replace(world.batch, restyled=looks)
    objective = replace(GAMES[game], warmup=0.5)
    turns = []
    for turn in objective.play(world.model, batch, progress, world.generator, world.average):
        torch.autograd.grad(turn.loss, list(world.model.w.values()), retain_graph=True, allow_unused=True)
        turns.append(turn)
    error = reference.squared_error(looks.flatten(1).numpy(), reference.decode(w, *step.codes(w))).mean()
    assert_close(turns[0].terms["rec"], error)
    rest = step.decoder_loss(w, w, game, getattr(GAMES[game], "gamma_r", 0.0))
    plain = reference.squared_error(step.x, reference.decode(w, *step.codes(w))).mean()
    if progress:  # the decoder's loss moves by the difference of the errors, and by nothing else
        assert_close(turns[1].loss, rest + step.scale * BETA["rec"] * (error - plain))
