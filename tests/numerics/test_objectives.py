"""Each objective against the NumPy reference: both phases, values and gradients, for random weights and images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from numerics import reference
from torch import Tensor, nn

from sivae_translate.models import Autoencoder
from sivae_translate.objectives import OBJECTIVES
from sivae_translate.objectives.back_translation import OVERSHOOT, BackTranslation
from sivae_translate.objectives.elbo import Reconstructions
from sivae_translate.types import Batch, Code, Gaussian, Phase, Posterior

B, K, S, D, SIDE = 4, 3, 2, 3, 4  # rows, content, style, domains, pixels on a side
N = 3 * SIDE * SIDE
ENCODER, DECODER = ("content", "style", "logvar"), ("from_content", "from_style", "prior")
BETA = {"rec": 0.7, "kl": 0.03, "neg": 0.2, "style": 0.2, "alpha": 2.0, "margin": 6.0, "features": 0.4}
ELBO = {"beta_rec": BETA["rec"], "beta_kl": BETA["kl"], "beta_style": BETA["style"]}
COMMON = {**ELBO, "beta_neg": BETA["neg"], "feature_matching": BETA["features"]}
WEIGHTS = {
    "introvae": {**COMMON, "margin": BETA["margin"]},
    "soft-introvae": {**COMMON, "alpha": BETA["alpha"], "gamma_r": 0.5},
    "bootstrap": {**COMMON, "alpha": BETA["alpha"], "gamma_r": 0.5},
}


class LinearAutoencoder(Autoencoder):
    """The reference's networks as a `types.Model`."""

    domains = ("a", "b", "c")

    def __init__(self, w: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.w = nn.ParameterDict({name: nn.Parameter(torch.tensor(value)) for name, value in w.items()})

    def features(self, x: Tensor) -> dict[int, Tensor]:
        return {4: x, 1: x.flatten(1) @ self.w["content"].T}

    def posterior(self, features: dict[int, Tensor]) -> Posterior:
        x = features[4].flatten(1)
        content = features[1][:, :, None, None]
        style = Gaussian(x @ self.w["style"].T, x @ self.w["logvar"].T)
        return Posterior(Gaussian(content, torch.zeros_like(content)), style)

    def decode(self, code: Code) -> Tensor:
        assert code.style is not None
        x = code.content.flatten(1) @ self.w["from_content"].T + code.style @ self.w["from_style"].T
        return x.view(-1, 3, SIDE, SIDE)

    def prior(self, domains: Tensor) -> Posterior:
        content = torch.zeros(len(domains), K, 1, 1, dtype=torch.float64)
        mean = self.w["prior"][domains]
        return Posterior(Gaussian(content, torch.zeros_like(content)), Gaussian(mean, torch.zeros_like(mean)))

    def gradients(self, loss: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        weights = [self.w[name] for name in names]
        return dict(zip(names, torch.autograd.grad(loss, weights, retain_graph=True), strict=True))

    @torch.no_grad()
    def set(self, name: str, value: np.ndarray) -> None:
        self.w[name].copy_(torch.from_numpy(value))


@dataclass
class Case:
    """Random weights and images, and the reference's step on them with the noise of `generator`."""

    w: dict[str, np.ndarray]
    model: LinearAutoencoder
    ema: LinearAutoencoder
    batch: Batch
    generator: torch.Generator
    step: reference.Step

    def phases(
        self, name: str, *, progress: float = 1.0, batch: Batch | None = None, **weights: Any
    ) -> Iterator[Phase]:
        """The phases of a step with the weights above, or with those given."""
        objective = OBJECTIVES[name](**{**WEIGHTS.get(name, ELBO), **weights})
        return objective.play(self.model, batch or self.batch, progress, self.generator, self.ema)


@pytest.fixture(params=WEIGHTS)
def name(request: pytest.FixtureRequest) -> str:
    """An adversarial objective."""
    return str(request.param)


@pytest.fixture(params=[0, 1])
def case(request: pytest.FixtureRequest, name: str) -> Case:
    random = np.random.default_rng(request.param)
    shapes = {"content": (K, N), "style": (S, N), "logvar": (S, N), "from_content": (N, K), "from_style": (N, S)}
    w = {weight: 0.3 * random.standard_normal(shape) for weight, shape in shapes.items()}
    w["prior"] = random.standard_normal((D, S))
    target_decoder = {weight: value + 0.05 * random.standard_normal(value.shape) for weight, value in w.items()}
    x, domains = random.random((B, N)), np.array([2, 2, 0, 0])
    seed = 7 + request.param
    noise, sampled = replay(seed, name)
    return Case(
        w=w,
        model=LinearAutoencoder(w),
        ema=LinearAutoencoder(target_decoder),
        batch=Batch(torch.from_numpy(x).view(B, 3, SIDE, SIDE), torch.from_numpy(domains)),
        generator=torch.Generator().manual_seed(seed),
        step=reference.Step(x, domains, noise, sampled, target_decoder, BETA),
    )


def replay(seed: int, name: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The noise and the samples' labels that an objective draws, in its order."""
    g = torch.Generator().manual_seed(seed)
    noise: dict[str, np.ndarray] = {}

    def draw(kind: str, rows: int) -> None:
        noise[f"{kind}_content"] = torch.randn(rows, K, 1, 1, generator=g).flatten(1).double().numpy()
        noise[f"{kind}_style"] = torch.randn(rows, S, generator=g).double().numpy()

    draw("real", B)
    sampled = torch.randint(D, (B,), generator=g).numpy()
    draw("sample", B)
    if name != "introvae":  # the hinge reconstructs no fakes
        draw("encoder", 3 * B)
    draw("decoder", 3 * B)
    return noise, sampled


def assert_close(ours: Tensor, expected: np.ndarray | float) -> None:
    assert ours.dtype == torch.float64
    np.testing.assert_allclose(ours.detach().numpy(), expected, rtol=1e-6, atol=1e-9)


def test_every_adversarial_objective_is_checked() -> None:
    apart = {"vae", "iterative-back-translation"}  # the latter is test_iterative_back_translation.py's
    assert set(WEIGHTS) == set(OBJECTIVES) - apart


def test_the_encoder_phase_agrees_in_value_and_gradient(case: Case, name: str) -> None:
    w, step = case.w, case.step
    phase = next(case.phases(name))
    assert phase.updates == ("encoder",)
    assert_close(phase.loss, step.encoder_loss(w, w, name))
    for weight, ours in case.model.gradients(phase.loss, ENCODER).items():
        assert_close(ours, reference.gradient(lambda moved: step.encoder_loss(moved, w, name), w, weight))


def test_the_decoder_phase_answers_the_updated_encoder(case: Case, name: str) -> None:
    model, w, step, gamma_r = case.model, case.w, case.step, WEIGHTS[name].get("gamma_r", 0.0)
    phases = case.phases(name)
    next(phases)
    updated = {**w, **{weight: w[weight] * 1.1 for weight in ENCODER}}
    for weight in ENCODER:
        model.set(weight, updated[weight])
    phase = next(phases)
    assert phase.updates == ("decoder",)
    assert_close(phase.loss, step.decoder_loss(updated, w, name, gamma_r))
    for weight, ours in model.gradients(phase.loss, DECODER).items():
        expected = reference.gradient(
            lambda moved: step.decoder_loss({**updated, **moved}, w, name, gamma_r), updated, weight
        )
        assert_close(ours, expected)
    assert next(phases, None) is None


def test_only_the_last_phase_frees_the_shared_graph(case: Case, name: str) -> None:
    assert [phase.retain_graph for phase in case.phases(name)] == [True, False]


def test_fakes_beyond_the_margin_add_nothing_to_the_hinge(case: Case, name: str) -> None:
    state, adversarial = case.generator.get_state(), {}
    for margin in (1e-3, 1e3):
        case.generator.set_state(state)
        adversarial[margin] = next(case.phases("introvae", margin=margin)).terms["adversarial"]
    assert adversarial[1e-3] == 0
    kl = case.step.kl_of_fakes(reference.encode(case.w, case.step.fakes(case.w, case.w)), case.w).mean()
    assert_close(adversarial[1e3], BETA["neg"] * (1e3 - kl))


@pytest.mark.parametrize("first", [True, False])
def test_the_vae_phase_is_the_plain_elbo(case: Case, name: str, first: bool) -> None:
    phases = case.phases(name, vae_fraction=0.5, progress=0.4) if first else case.phases("vae")
    (phase,) = phases
    assert phase.updates == ("encoder", "decoder")

    def loss(moved: dict[str, np.ndarray]) -> float:
        return case.step.negative_elbo(*case.step.real(moved, moved))

    assert_close(phase.loss, loss(case.w))
    for weight, ours in case.model.gradients(phase.loss, ENCODER + DECODER).items():
        assert_close(ours, reference.gradient(loss, case.w, weight))


def test_the_adversarial_phases_follow_the_vae_fraction(case: Case, name: str) -> None:
    for progress, count in ((0.0, 1), (0.49, 1), (0.5, 2), (1.0, 2)):
        assert len(list(case.phases(name, vae_fraction=0.5, progress=progress))) == count


def test_rows_are_also_reconstructed_from_their_translations(case: Case, name: str) -> None:
    w, step, rows = case.w, case.step, 2
    g = torch.Generator()
    g.set_state(case.generator.get_state())
    torch.randn(B, K, 1, 1, generator=g), torch.randn(B, S, generator=g)
    overshoot = OVERSHOOT * torch.rand(rows, 1, generator=g).double().numpy()
    noise = torch.randn(rows, K, 1, 1, generator=g).flatten(1).double().numpy()

    def loss(moved: dict[str, np.ndarray]) -> float:
        pairs = zip(step.real(moved, moved), step.back_translation(moved, w, overshoot, noise), strict=True)
        return step.negative_elbo(*map(np.concatenate, pairs))

    (phase,) = case.phases(name, vae_fraction=0.5, back_translation=0.5, progress=0.4)
    assert_close(phase.loss, loss(w))
    for weight, ours in case.model.gradients(phase.loss, ENCODER + DECODER).items():  # translations are stopped
        assert_close(ours, reference.gradient(loss, w, weight))


def test_both_phases_count_the_rows_from_translations(case: Case, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ones = torch.ones(2, 3, SIDE, SIDE, dtype=torch.float64)
    extra = Reconstructions(ones, ones + 1, torch.full((2,), 5.0, dtype=torch.float64))

    def append(self: BackTranslation, rows: Reconstructions, *_: object) -> Reconstructions:
        return Reconstructions.cat([rows, extra]) if self.fraction else rows

    monkeypatch.setattr(BackTranslation, "append", append)
    state, phases = case.generator.get_state(), {}
    for fraction in (0.0, 0.5):
        case.generator.set_state(state)
        phases[fraction] = list(case.phases(name, back_translation=fraction))
    encoder, decoder = phases[0.0]
    rec, kl = encoder.terms["rec"], encoder.terms["kl_real"]
    more_rec, more_kl = ((B * plain + 2 * given) / (B + 2) - plain for plain, given in ((rec, N), (kl, 5)))
    more = BETA["rec"] * more_rec / N
    torch.testing.assert_close(phases[0.5][0].loss, encoder.loss + more + BETA["kl"] * more_kl)
    torch.testing.assert_close(phases[0.5][1].loss, decoder.loss + more)
    assert phases[0.5][0].terms["rec"] == rec  # logged for the images alone


@pytest.mark.parametrize("progress", [0.0, 1.0])
def test_reconstructions_are_compared_to_the_unwarped_images(case: Case, name: str, progress: float) -> None:
    w, step = case.w, case.step
    unwarped = torch.rand_like(case.batch.images)
    batch = replace(case.batch, unwarped=unwarped)
    phases = list(case.phases(name, vae_fraction=0.5, progress=progress, batch=batch))
    rec, target = reference.decode(w, *step.codes(w)), unwarped.flatten(1).numpy()
    error = reference.squared_error(target, rec).mean()
    assert_close(phases[0].terms["rec"], error)
    if progress:  # the decoder's loss changes by the two errors and by nothing else
        expected = step.decoder_loss(w, w, name, WEIGHTS[name].get("gamma_r", 0.0))
        expected += BETA["rec"] * (error - reference.squared_error(step.x, rec).mean()) / N
        expected += BETA["features"] * (step.feature_error(w, target, rec) - step.feature_error(w, step.x, rec))
        assert_close(phases[1].loss, expected)


def test_feature_matching_is_of_the_reconstructions_among_the_fakes_and_for_the_decoder(case: Case, name: str) -> None:
    w, step, state, losses = case.w, case.step, case.generator.get_state(), {}
    for weight in (0.0, 0.4):
        case.generator.set_state(state)
        losses[weight] = [phase.loss for phase in case.phases(name, fake_fraction=0.5, feature_matching=weight)]
    rec = reference.decode(w, *step.codes(w))
    assert losses[0.4][0] == losses[0.0][0]
    assert_close(losses[0.4][1] - losses[0.0][1], 0.4 * step.feature_error(w, step.x[:2], rec[:2]))


def test_the_gap_is_the_fakes_kl_less_the_real_images(case: Case, name: str) -> None:
    w, step = case.w, case.step
    phases = list(case.phases(name))
    kinds = np.split(step.kl_of_fakes(reference.encode(w, step.fakes(w, w)), w), 3)
    real = step.real(w, w)[1].mean()
    assert_close(phases[0].terms["kl_real"], real)
    for term, kl in zip(("kl_rec", "kl_sample", "kl_translation"), kinds, strict=True):
        assert_close(phases[1].terms[term], kl.mean())
    assert_close(phases[1].terms["gap"], np.concatenate(kinds).mean() - real)
