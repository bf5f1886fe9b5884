"""The shipped combination against NumPy in float64: StyleAutoencoder, mixture prior, Soft-IntroVAE, feature matching.

Losses are functions of moved and of frozen weights. The networks are black boxes without gradients; priors, KL,
exponential, feature error, back-translation and weights are written out here. Gradients are compared to central
differences along random directions of each submodule.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sivae_translate.models import StyleAutoencoder
from sivae_translate.objectives import OBJECTIVES
from sivae_translate.types import Batch, Code, Phase

B, SIZE, DOMAINS = 8, 16, ("a", "b", "c")
N, FAKES, BACK = 3 * SIZE**2, 4, 4  # values of an image, rows of each kind of fake, rows from translations
EPSILON = 1e-6  # step along a direction of norm 1; longer ones cross kinks of the activations
BETA = {"rec": 1.0, "kl": 1 / N, "style": 0.02, "alpha": 2.0, "features": 0.06}

Array = np.ndarray
Posterior = tuple[Array, Array, Array]  # content mean [n, K, g, g], style mean and log-variance [n, S]


@dataclass(frozen=True)
class Networks:
    """The networks of a model, and its priors' weights, as functions of NumPy arrays."""

    model: StyleAutoencoder

    def features(self, x: Array) -> dict[int, Array]:
        with torch.no_grad():
            return {r: h.numpy() for r, h in self.model.features(torch.from_numpy(x)).items()}

    def encode(self, x: Array) -> Posterior:
        with torch.no_grad():
            q = self.model.encode(torch.from_numpy(x))
        assert q.style is not None and not q.content.logvar.any()  # the content's variance is 1
        return q.content.mean.numpy(), q.style.mean.numpy(), q.style.logvar.numpy()

    def decode(self, content: Array, style: Array) -> Array:
        with torch.no_grad():
            return self.model.decode(Code(torch.from_numpy(content), torch.from_numpy(style))).numpy()

    @property
    def components(self) -> Array:
        """m, `[M, K]`."""
        return self.weight("components.weight")

    def style_prior(self, domains: Array) -> tuple[Array, Array]:
        """Mean and log-variance, `[n, S]`; both 0 for no known domain."""
        known = (domains >= 0)[:, None]
        return self.weight("prior.means")[domains] * known, self.weight("prior.logvar") * known

    def weight(self, name: str) -> Array:
        return self.model.get_parameter(f"decoder.{name}").detach().numpy()


def squared_error(a: Array, b: Array) -> Array:
    return ((a - b) ** 2).sum((1, 2, 3))


def kl_to_mixture(mean: Array, components: Array) -> Array:
    """-log 1/M sum_k exp -|mu - m_k|^2 / 2, summed over the places, `[n]`; the variance is 1 on both sides."""
    rows, channels, *_ = mean.shape
    places = mean.reshape(rows, channels, -1).transpose(0, 2, 1)
    kls = 0.5 * ((places[:, :, None] - components) ** 2).sum(-1)
    return -np.log(np.exp(-kls).mean(-1)).sum(1)


def kl_of_style(q: tuple[Array, Array], p: tuple[Array, Array]) -> Array:
    """KL of diagonal Gaussians, `[n]`."""
    (mean, logvar), (prior_mean, prior_logvar) = q, p
    ratio = (np.exp(logvar) + (mean - prior_mean) ** 2) / np.exp(prior_logvar)
    return 0.5 * (ratio - 1 - logvar + prior_logvar).sum(1)


def kl(q: Posterior, prior: Networks, domains: Array) -> Array:
    content, *style = q
    style_kl = kl_of_style((style[0], style[1]), prior.style_prior(domains))
    return kl_to_mixture(content, prior.components) + BETA["style"] * style_kl


def feature_error(target: dict[int, Array], made: dict[int, Array]) -> float:
    """Mean over resolutions of the squared error over the target's variance."""
    return float(np.mean([((made[r] - target[r]) ** 2).mean() / target[r].var(ddof=1) for r in target]))


class Step:
    """The data and noise of one step, and its losses as functions of networks.

    Noise is replayed from a generator in the order in which the objective draws it.
    """

    def __init__(self, model: StyleAutoencoder, settings: dict[str, float], seed: int, vae: bool) -> None:
        random = np.random.default_rng(seed)
        self.x, self.target = random.random((2, B, 3, SIZE, SIZE))
        self.domains = np.array([0, 0, -1, -1, 2, 2, 1, 1])
        self.beta_neg = settings["beta_neg"]
        self.generator = torch.Generator().manual_seed(seed)
        shape, style, g = model.content_shape, model.style_size, torch.Generator().manual_seed(seed)

        def normal(*size: int) -> Array:
            return torch.randn(size, generator=g).double().numpy()

        self.content, self.style = normal(B, *shape), normal(B, style)
        if not vae:
            sampled = torch.randint(len(DOMAINS), (FAKES,), generator=g).numpy()
            components = torch.randn(FAKES, *shape[1:], len(Networks(model).components), generator=g).argmax(-1).numpy()
            self.fake_domains = np.concatenate([self.domains[:FAKES], sampled, np.roll(self.domains, 2)[:FAKES]])
            means = np.moveaxis(Networks(model).components[components], -1, 1)
            mean, logvar = Networks(model).style_prior(sampled)
            self.samples = means + normal(FAKES, *shape), mean + np.exp(logvar / 2) * normal(FAKES, style)
        self.overshoot = None
        if settings["back_translation"]:
            self.overshoot = 2 * torch.rand(BACK, 1, generator=g).double().numpy()
            self.back_content = normal(BACK, *shape)
        if not vae:
            self.fake_content, self.fake_style = normal(3 * FAKES, *shape), normal(3 * FAKES, style)

    @property
    def batch(self) -> Batch:
        return Batch(torch.from_numpy(self.x), torch.from_numpy(self.domains), torch.from_numpy(self.target))

    def codes(self, encoder: Networks) -> tuple[Array, Array]:
        """A code of each image, with the style of its partner."""
        content, mean, logvar = encoder.encode(self.x)
        style = mean + np.exp(logvar / 2) * self.style
        return content + self.content, style[[1, 0, 3, 2, 5, 4, 7, 6]]

    def back(self, encoder: Networks, before: Networks) -> tuple[Posterior, tuple[Array, Array]]:
        """The posteriors of translations by the weights before the step, and the codes drawn from them."""
        assert self.overshoot is not None
        content, style = (part[:BACK] for part in self.codes(before))
        target = np.roll(self.codes(before)[1], 2, 0)[:BACK]
        q = encoder.encode(before.decode(content, target + self.overshoot * (target - style)).clip(0, 1))
        return q, (q[0] + self.back_content, self.codes(encoder)[1][:BACK])

    def errors(self, encoder: Networks, decoder: Networks, before: Networks) -> Array:
        """L_r of the images and of the rows from translations."""
        error = squared_error(self.target, decoder.decode(*self.codes(encoder)))
        if self.overshoot is None:
            return error
        again = decoder.decode(*self.back(encoder, before)[1])
        return np.concatenate([error, squared_error(self.target[:BACK], again)])

    def negative_elbo(self, encoder: Networks, decoder: Networks, prior: Networks, before: Networks) -> float:
        divergence = kl(encoder.encode(self.x), prior, self.domains)
        if self.overshoot is not None:  # content alone
            content = kl_to_mixture(self.back(encoder, before)[0][0], prior.components)
            divergence = np.concatenate([divergence, content])
        errors = self.errors(encoder, decoder, before)
        return float((BETA["rec"] * errors / N + BETA["kl"] * divergence).mean())

    def fakes(self, decoder: Networks, before: Networks, rec: Array | None = None) -> Array:
        """Reconstructions, samples and translations, of codes by the weights before the step."""
        content, style = self.codes(before)
        rec = decoder.decode(content, style) if rec is None else rec
        translations = decoder.decode(content[:FAKES], np.roll(style, 2, 0)[:FAKES])
        return np.concatenate([rec[:FAKES], decoder.decode(*self.samples), translations])

    def vae_loss(self, moved: Networks, before: Networks) -> float:
        return self.negative_elbo(moved, moved, moved, before)

    def adversarial(self, moved: Networks, before: Networks) -> float:
        q = moved.encode(self.fakes(before, before))
        style = q[1] + np.exp(q[2] / 2) * self.fake_style
        again = before.decode(q[0] + self.fake_content, style)
        fakes = self.fakes(before, before, before.decode(*self.codes(moved)))  # as a target not stopped
        exponent = BETA["rec"] * squared_error(fakes, again) / N + self.beta_neg * kl(q, before, self.fake_domains)
        return float((np.exp(-BETA["alpha"] * exponent) / BETA["alpha"]).mean())

    def encoder_loss(self, moved: Networks, before: Networks) -> float:
        return self.negative_elbo(moved, before, before, before) + self.adversarial(moved, before)

    def decoder_loss(self, moved: Networks, before: Networks) -> float:
        """The encoder in `moved` is the updated one; codes are of the encoder before the step."""
        fakes = self.fakes(moved, before)
        loss = BETA["rec"] * self.errors(before, moved, before).mean() / N
        loss += BETA["kl"] * kl(moved.encode(fakes), before, self.fake_domains).mean()
        _, mean, logvar = before.encode(self.x)
        style = kl_of_style((mean, logvar), moved.style_prior(self.domains))
        loss += BETA["kl"] * BETA["style"] * style.mean()
        features = moved.features(self.target[:FAKES]), moved.features(fakes[:FAKES])
        return float(loss + BETA["features"] * feature_error(*features))


SETTINGS = {
    "vector": {"content_stride": 0, "beta_neg": 0.05, "back_translation": 0.0},
    "layout": {"content_stride": 4, "beta_neg": 0.01, "back_translation": BACK / B},  # its KL is larger
}


@pytest.fixture(params=SETTINGS)
def settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(SETTINGS[request.param])


@pytest.fixture
def model(settings: dict[str, Any]) -> StyleAutoencoder:
    """Small, and with style priors that differ."""
    torch.manual_seed(1)
    stride = settings.pop("content_stride")
    network = StyleAutoencoder(
        domains=DOMAINS, size=SIZE, content=4, components=5, content_stride=stride, style=3, width=16, max_width=32
    ).double()
    for parameter in network.decoder["prior"].parameters():  # type: ignore[union-attr]
        nn.init.normal_(parameter, std=0.5)
    return network


def phases(model: StyleAutoencoder, step: Step, settings: dict[str, float], progress: float) -> Iterator[Phase]:
    weights = {"beta_rec": BETA["rec"], "beta_kl": BETA["kl"], "beta_style": BETA["style"], "alpha": BETA["alpha"]}
    weights |= {"feature_matching": BETA["features"], "vae_fraction": 0.9, "fake_fraction": FAKES / B, **settings}
    return OBJECTIVES["soft-introvae"](**weights).play(model, step.batch, progress, step.generator, model)


def assert_agrees(
    phase: Phase, model: StyleAutoencoder, loss: Callable[[Networks], float], unused: tuple[str, ...] = ()
) -> None:
    """The phase's loss, and its gradient by each submodule of the parts that it updates."""
    assert phase.loss.dtype == torch.float64
    assert phase.loss.item() == pytest.approx(loss(Networks(model)), rel=1e-9)
    generator = torch.Generator().manual_seed(5)
    for part in phase.updates:
        for name, child in getattr(model, part).items():
            parameters = list(child.parameters())
            gradients = torch.autograd.grad(phase.loss, parameters, retain_graph=True, allow_unused=True)
            if name in unused:
                assert all(gradient is None for gradient in gradients)
                continue
            for _ in range(2):
                direction = unit_direction(parameters, generator)
                pairs = zip(gradients, direction, strict=True)
                ours = sum(float((g * d).sum()) for g, d in pairs if g is not None)
                expected = slope(model, f"{part}.{name}", direction, loss)
                assert abs(expected) > 1e-7, f"{part}.{name}: nothing to compare"
                assert ours == pytest.approx(expected, rel=1e-5, abs=1e-9), f"{part}.{name}"


def unit_direction(parameters: list[nn.Parameter], generator: torch.Generator) -> list[Tensor]:
    direction = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in parameters]
    norm = torch.cat([d.flatten() for d in direction]).norm()
    return [d / norm for d in direction]


def slope(model: StyleAutoencoder, submodule: str, direction: list[Tensor], loss: Callable[[Networks], float]) -> float:
    """Central difference of the loss along a direction of a submodule's parameters."""
    ends = []
    for sign in (1, -1):
        moved = copy.deepcopy(model)
        with torch.no_grad():
            for parameter, d in zip(moved.get_submodule(submodule).parameters(), direction, strict=True):
                parameter += sign * EPSILON * d
        ends.append(loss(Networks(moved)))
    return (ends[0] - ends[1]) / (2 * EPSILON)


def test_the_vae_phase_agrees_in_value_and_gradient(model: StyleAutoencoder, settings: dict[str, float]) -> None:
    step, before = Step(model, settings, seed=3, vae=True), Networks(model)
    (phase,) = phases(model, step, settings, progress=0.5)
    assert phase.updates == ("encoder", "decoder")
    assert_agrees(phase, model, lambda moved: step.vae_loss(moved, before))


def test_the_encoder_phase_agrees_in_value_and_gradient(model: StyleAutoencoder, settings: dict[str, float]) -> None:
    step, before = Step(model, settings, seed=3, vae=False), Networks(model)
    phase = next(phases(model, step, settings, progress=1.0))
    assert phase.updates == ("encoder",)
    adversarial = step.adversarial(before, before)
    assert adversarial > 0.05  # of at most 1 / alpha = 0.5: neither saturated nor without effect
    assert phase.terms["adversarial"].item() == pytest.approx(adversarial, rel=1e-9)
    assert_agrees(phase, model, lambda moved: step.encoder_loss(moved, before))


def test_the_decoder_phase_agrees_in_value_and_gradient(model: StyleAutoencoder, settings: dict[str, float]) -> None:
    step, before = Step(model, settings, seed=3, vae=False), Networks(copy.deepcopy(model))
    steps = phases(model, step, settings, progress=1.0)
    next(steps)
    with torch.no_grad():
        for parameter in model.encoder.parameters():  # an update of the encoder between the phases
            parameter += 0.01 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(9))
    phase = next(steps)
    assert phase.updates == ("decoder",)
    unused = ("components",)  # fakes move to the content prior, never the prior to them
    assert_agrees(phase, model, lambda moved: step.decoder_loss(moved, before), unused)
