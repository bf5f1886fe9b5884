"""The sections [model] and [objective] take the arguments of the constructor they name."""

from __future__ import annotations

import pytest

from sivae_translate.errors import UsageError
from sivae_translate.models import MODELS
from sivae_translate.objectives import OBJECTIVES
from sivae_translate.recipe import load_recipe
from sivae_translate.training.constructors import build_objective, check_model, complete, section_settings


@pytest.mark.parametrize(
    ("section", "name"), [*(("model", name) for name in MODELS), *(("objective", name) for name in OBJECTIVES)]
)
def test_every_constructor_has_settings_with_defaults(section: str, name: str) -> None:
    fields = section_settings(section, name).model_fields
    assert fields and not {"domains", "size", "self"} & fields.keys()
    assert not [key for key, field in fields.items() if field.is_required()]


def test_completing_twice_changes_nothing() -> None:
    recipe = complete(load_recipe("conv"))
    assert complete(recipe) == recipe


def test_the_error_of_an_unknown_name_has_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"model\.name.*style"):
        complete(load_recipe("tiny", ["model.name=stile"]))


@pytest.mark.parametrize("override", ["model.width=1", "model.content_stride=3", "model.patch=3", "model.content=0"])
def test_a_value_that_the_model_cannot_have_is_an_error_before_training(override: str) -> None:
    with pytest.raises(UsageError, match=override.replace("=", " = ")):
        check_model(complete(load_recipe("tiny", [override])))


def test_the_error_of_a_value_out_of_range_has_its_key() -> None:
    with pytest.raises(UsageError, match=r"objective\.vae_fraction = 2"):
        build_objective(complete(load_recipe("tiny", ["objective.vae_fraction=2"])))
