"""docs/settings.md and the JSON schema hold every key of a recipe, and agree with the code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sivae_translate.recipe import Data, Training
from sivae_translate.training.constructors import CONSTRUCTORS, section_settings
from sivae_translate.training.settings_page import recipe_schema, settings_page

PAGE = Path(__file__).parents[3] / "docs/settings.md"


def test_the_page_is_that_of_the_code() -> None:
    assert PAGE.read_text() == settings_page(), "write it with: sivae-translate recipes settings > docs/settings.md"


def test_the_page_has_every_key() -> None:
    page = settings_page()
    models = [section_settings(section, name) for section, table in CONSTRUCTORS.items() for name in table]
    for model in (Data, Training, *models):
        for key in model.model_fields:
            assert f"| `{key}` |" in page


@pytest.mark.parametrize("model", [Data, Training])
def test_every_key_of_data_and_training_says_its_effect(model: Any) -> None:
    for key, field in model.model_fields.items():
        assert len((field.description or "").split()) > 8, key


def test_commands_print_both(cli: Any) -> None:
    assert cli("recipes", "settings").stdout == settings_page()
    assert json.loads(cli("recipes", "schema").stdout) == recipe_schema()


def test_the_schema_tells_models_and_objectives_apart_by_name() -> None:
    definitions = recipe_schema()["$defs"]
    for section, table in CONSTRUCTORS.items():
        variants = definitions["Recipe"]["properties"][section]["discriminator"]["mapping"]
        assert set(variants) == set(table)
    style = definitions["model-style"]
    assert style["additionalProperties"] is False and "content_stride" in style["properties"]
