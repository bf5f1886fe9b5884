"""Advice that objectives give from the means of their logged terms."""

from __future__ import annotations

from typing import Any

import pytest

from sivae_translate.objectives import OBJECTIVES
from sivae_translate.objectives.vae import COLLAPSED, DOMINATED

VALUES = 3 * 32 * 32
ADVERSARIAL = [name for name in OBJECTIVES if name != "vae"]
WEIGHTED = [name for name in OBJECTIVES if name != "iterative-back-translation"]  # has no beta_kl


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize(
    "terms",
    [
        {},
        {"rec": 30.0, "kl_real": 40.0},
        {"rec": 30.0, "kl_real": 40.0, "gap": 0.5, "adversarial": 0.1},
        {"rec": 30.0, "kl_real": 40.0, "gap": -0.9, "adversarial": 0.1},
    ],
)
def test_there_is_no_advice_where_training_goes_well(name: str, terms: dict[str, float]) -> None:
    assert OBJECTIVES[name]().diagnose(terms, VALUES) is None


@pytest.mark.parametrize("name", WEIGHTED)
def test_an_encoder_that_diverged_is_to_start_again_at_a_lower_rate(name: str) -> None:
    terms = {"rec": 313.0, "kl_real": 47411.0, "gap": 0.0, "adversarial": 0.0}
    limit = DOMINATED * 313.0 / VALUES / 47411.0  # beta_kl at which the weighted KL is that many weighted errors
    assert OBJECTIVES[name](beta_kl=0.99 * limit).diagnose(terms, VALUES) is None
    advice = OBJECTIVES[name](beta_kl=1.01 * limit).diagnose(terms, VALUES)
    assert advice is not None and "47,411" in advice and "training.lr" in advice


@pytest.mark.parametrize("name", WEIGHTED)
@pytest.mark.parametrize(
    ("beta_kl", "kl", "error"),
    [
        (1000.0, 1e-3, 0.03),  # nearly no nats, and still more than the error
        (1.0, 4.7, 0.033),  # the content's mixture of priors keeps the bound on the KL from 0
        (100.0, 0.99 * COLLAPSED, 0.03),
        (100.0, 1e-5, 0.05),  # a full collapse: the KL weighs next to nothing
    ],
)
def test_a_collapsed_posterior_calls_for_a_lower_weight_of_the_kl_and_not_for_a_lower_rate(
    name: str, beta_kl: float, kl: float, error: float
) -> None:
    terms = {"rec": error * VALUES, "kl_real": kl, "gap": 0.0, "adversarial": 0.0}
    advice = OBJECTIVES[name](beta_kl=beta_kl).diagnose(terms, VALUES)
    assert advice is not None and f"objective.beta_kl (now {beta_kl:g})" in advice and "training.lr" not in advice


@pytest.mark.parametrize("name", WEIGHTED)
def test_few_nats_under_a_usual_weight_are_no_collapse(name: str) -> None:
    terms = {"rec": 0.002 * VALUES, "kl_real": 7.5, "gap": 0.0, "adversarial": 0.0}  # 27 dB; the KL weighs more
    assert OBJECTIVES[name](beta_kl=3e-4).diagnose(terms, VALUES) is None


@pytest.mark.parametrize(
    ("name", "weights", "adversarial", "setting"),
    [
        ("soft-introvae", {"beta_neg": 0.02}, 0.4, "raise objective.beta_neg (now 0.02)"),
        ("soft-introvae", {"beta_neg": 0.08}, 0.001, "lower objective.beta_neg (now 0.08)"),
        ("bootstrap", {"beta_neg": 0.02}, 0.4, "raise objective.beta_neg (now 0.02)"),
        ("bootstrap", {"beta_neg": 0.08}, 0.001, "lower objective.beta_neg (now 0.08)"),
        ("introvae", {"margin": 9.0}, 0.0, "raise objective.margin (now 9)"),
        ("introvae", {"beta_neg": 0.5}, 0.1, "raise objective.beta_neg (now 0.5)"),
    ],
)
def test_fakes_of_a_lower_kl_than_real_images_call_for_another_weight(
    name: str, weights: dict[str, Any], adversarial: float, setting: str
) -> None:
    advice = OBJECTIVES[name](**weights).diagnose({"gap": -3.0, "adversarial": adversarial}, VALUES)
    assert advice is not None and setting in advice and "-3.0" in advice


def test_every_adversarial_objective_reads_the_gap() -> None:
    for name in ADVERSARIAL:
        assert OBJECTIVES[name]().diagnose({"gap": -3.0, "adversarial": 0.1}, VALUES) is not None
    assert OBJECTIVES["vae"]().diagnose({"gap": -3.0, "adversarial": 0.1}, VALUES) is None
