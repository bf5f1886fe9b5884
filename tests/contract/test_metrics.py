"""Every metric in METRICS: its description, its values on a small synthetic set, and its ideal value."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sivae_translate.data.domains import Source
from sivae_translate.errors import SivaeError
from sivae_translate.evaluation.extractors import Extractor
from sivae_translate.evaluation.metrics import METRICS
from sivae_translate.evaluation.metrics.metric import BASELINES, Metric
from sivae_translate.evaluation.perceptual import RandomPerceptual
from sivae_translate.evaluation.sets import (
    DomainPair,
    EncodedDomains,
    EvaluationSet,
    StyleVariations,
    TranslatedPairs,
)
from sivae_translate.types import Gaussian

PAIRS, REAL, SIZE = 48, 25, 16  # pairs, real images of each domain, pixels
DOMAINS = ("dark", "light")
NEEDS = {"pairs", "domains", "classifier", "inception", "random-vgg16", "lpips", "perceptual_random_vgg16"}


class Moments(nn.Module):
    """Mean and standard deviation of each colour."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.float().mean((2, 3)), x.float().std((2, 3))], 1) / 255


class Distance(RandomPerceptual):
    """A perceptual distance under the name of LPIPS."""

    measure = "lpips"


def images(random: np.random.Generator, count: int, base: int) -> np.ndarray:
    """Noise of a contrast and a colour of each image's own, uint8 `[count, H, W, 3]`."""
    colour = base + random.integers(0, 60, (count, 1, 1, 3))
    noise = random.uniform(-1, 1, (count, SIZE, SIZE, 1)) * random.uniform(5, 40, (count, 1, 1, 1))
    return (colour + noise).round().clip(0, 255).astype(np.uint8)


def synthetic(*, perfect: bool = False, published: bool = False, seed: int = 0) -> EvaluationSet:
    """Pairs and domains, with networks of random weights or with others under the published names.

    Args:
        perfect: translations are the targets, or real images of the target domain; else they are the content images.
    """
    random = np.random.default_rng(0)
    dark, light = images(random, PAIRS, 20), images(random, PAIRS, 140)
    pairs = TranslatedPairs(
        tuple(Path(f"light/{i}.png") for i in range(PAIRS)),
        {"content": dark, "style": light[::-1], "output": light if perfect else dark, "target": light},
    )
    real = np.concatenate([images(random, REAL, base) for base in (20, 140)])
    extractor = Extractor("inception" if published else "random-vgg16", Moments(), to_centre=not published)
    perceptual = (Distance if published else RandomPerceptual)(torch.device("cpu"))
    features = EvaluationSet(extractor, perceptual).features(real)
    domains = EncodedDomains(
        DOMAINS,
        tuple(Source(Path(f"{name}/view{i % 5}.png")) for name in DOMAINS for i in range(REAL)),
        np.repeat([0, 1], REAL),
        Gaussian(torch.randn(2 * REAL, 2, 2, 2, generator=torch.Generator().manual_seed(0)), torch.zeros(50, 2, 2, 2)),
        Gaussian(features[:, :3].float(), torch.zeros(2 * REAL, 3)),
        features,
    )
    edges = np.full(REAL, 1.0), np.zeros(REAL)  # as of copies
    translated = DomainPair("dark", "light", features[REAL:] if perfect else features[:REAL], *edges)
    batch = torch.from_numpy(real[REAL : REAL + 4]).permute(0, 3, 1, 2)
    variations = StyleVariations("light", (batch, batch.flip(0)), batch)
    return EvaluationSet(
        extractor, perceptual, seed, pairs, domains, (translated,), (variations,), re.compile(r"view(\d)")
    )


def offering(metric: Metric, **options: bool) -> EvaluationSet:
    """A synthetic set with what the metric needs."""
    return synthetic(published=bool({"inception", "lpips"} & set(metric.needs)), **options)


every_metric = pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))


@every_metric
def test_a_metric_is_described(metric: Metric) -> None:
    assert METRICS[metric.name] is metric and metric.title and metric.note.endswith(".")
    assert metric.direction in ("higher", "lower", "ideal")
    assert metric.direction != "ideal" or metric.ideal is not None
    assert metric.needs[0] in ("pairs", "domains") and set(metric.needs) <= NEEDS
    assert metric.baselines and set(metric.baselines) <= set(BASELINES)
    assert metric.shown(0.25) and metric.shown(None) == "-"


@every_metric
def test_a_metric_gives_finite_figures_beside_its_baselines(metric: Metric) -> None:
    given = offering(metric)
    assert set(metric.needs) <= given.offers
    figure = metric.compute(given)
    for each in (figure, *figure.each):
        assert each.n > 0 and set(each.baselines) == set(metric.baselines)
        assert all(math.isfinite(value) for value in (each.value, *each.baselines.values()))
    assert set(json.loads(json.dumps(figure.as_json()))) == {"value", "n", "baselines", "details", "each"}
    assert all(part.name for part in figure.each)


@every_metric
def test_a_metric_does_not_depend_on_torch_s_random_state(metric: Metric) -> None:
    first = metric.compute(offering(metric)).as_json()
    torch.rand(7)
    assert metric.compute(offering(metric)).as_json() == first


@pytest.mark.parametrize("metric", [m for m in METRICS.values() if m.ideal is not None], ids=lambda m: m.name)
def test_a_perfect_translator_scores_the_ideal_value_and_a_copy_does_not(metric: Metric) -> None:
    assert metric.ideal is not None
    perfect, copy = (metric.compute(offering(metric, perfect=perfect)) for perfect in (True, False))
    slack = {"kid": 0.05, "two_sample": 0.15, "fid": 1e-6}  # unbiased estimates; rounding of a matrix root
    kind = next((name for name in slack if name in metric.name), None)
    assert perfect.value == pytest.approx(metric.ideal, abs=slack[kind] if kind else 1e-12)
    assert abs(copy.value - metric.ideal) > abs(perfect.value - metric.ideal)
    if metric.direction != "ideal":
        assert (perfect.value > copy.value) == (metric.direction == "higher")


@every_metric
def test_a_metric_without_its_images_is_a_note(metric: Metric) -> None:
    given = offering(metric)
    with pytest.raises(SivaeError):
        metric.compute(EvaluationSet(given.extractor, given.perceptual))


def test_the_classifier_assigns_perfect_translations_to_their_domain() -> None:
    for name in ("domain_accuracy", "domain_pairs_accuracy"):
        assert METRICS[name].compute(synthetic(perfect=True)).value == 1
        assert METRICS[name].compute(synthetic()).value == 0


def test_a_leak_is_found_and_a_code_without_one_is_not() -> None:
    given = synthetic()
    assert abs(METRICS["domain_from_content"].compute(given).value - 0.5) <= 0.3
    assert given.domains is not None
    leaking = EvaluationSet(
        given.extractor,
        given.perceptual,
        domains=EncodedDomains(
            DOMAINS,
            given.domains.sources,
            given.domains.labels,
            Gaussian(given.domains.content.mean + 6 * torch.arange(50).ge(REAL)[:, None, None, None], torch.zeros(50)),
            given.domains.style,
            given.domains.features,
        ),
    )
    assert METRICS["domain_from_content"].compute(leaking).value == 1
