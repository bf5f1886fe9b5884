"""What an objective says of its own game."""

from __future__ import annotations

import pytest

from sivae_translate.objectives import OBJECTIVES, IntroVAE, SoftIntroVAE


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_healthy_game_or_none_needs_no_remedy(name: str) -> None:
    assert OBJECTIVES[name]().health({"gap": 0.5, "adversarial": 0.1}) is None
    assert OBJECTIVES[name]().health({"rec": 5.0, "kl_real": 400.0}) is None


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_encoder_that_came_undone_is_told_of(name: str) -> None:
    advice = OBJECTIVES[name](beta_kl=6.0).health({"rec": 313.0, "kl_real": 47411.0, "gap": 0.0})
    assert advice is not None and "KL(real) = 47,411 nats" in advice and "lower training.lr" in advice


@pytest.mark.parametrize(
    ("objective", "adversarial", "said"),
    [
        (SoftIntroVAE(beta_neg=64), 0.4, "raise objective.beta_neg (now 64)"),
        (SoftIntroVAE(beta_neg=256), 0.001, "a lower objective.beta_neg (now 256)"),
        (IntroVAE(margin=9), 0.0, "raise objective.margin (now 9)"),
        (IntroVAE(beta_neg=0.5), 0.1, "raise objective.beta_neg (now 0.5)"),
    ],
)
def test_a_lost_game_is_told_which_way_to_turn(
    objective: SoftIntroVAE | IntroVAE, adversarial: float, said: str
) -> None:
    message = str(objective.health({"gap": -3.0, "adversarial": adversarial}))
    assert said in message
    assert "-3.0" in message
