"""All keys of a recipe as a page and as a JSON schema, generated from docstrings and signatures."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Union

from pydantic import Field, TypeAdapter, create_model

from sivae_translate.data.augment import AUGMENTATIONS, ranges
from sivae_translate.recipe import Choice, Data, Training
from sivae_translate.schema import Settings, settings_of
from sivae_translate.training.constructors import CONSTRUCTORS, section_settings

HEAD = """\
# Settings

Every key of a recipe: its type and range, its default, its effect and when to change it. `sivae-translate recipes
settings` prints this page from the docstrings of the code. `--set section.key=value` sets a key for one run.
`sivae-translate recipes schema > recipe.json` writes a JSON schema. With it, editors complete and check a recipe whose
first line is `#:schema ./recipe.json`.

Five settings can be automatic: `data.size` = 0, `data.white` = 0, `data.batch` = 0, `model.patch` = 0 and
`training.precision` = "auto". Training prints the automatic values, and writes them to the run's `recipe.toml`. A
resumed run keeps the values.
"""
TABLE = "| key | type, range | default | effect, when to change it |\n|---|---|---|---|\n"


def settings_page() -> str:
    """`docs/settings.md`, with a table of keys for each section, model and objective."""
    parts = [HEAD]
    parts += [_chapter("[data]", "How images become batches.", Data), _augmentations()]
    for section, table in CONSTRUCTORS.items():
        for name in table:
            parts.append(_chapter(f'[{section}] name = "{name}"', "", section_settings(section, name)))
    parts += [_chapter("[training]", "How long, how fast and how precisely.", Training)]
    parts += [_chapter("[choose]", "The only section of its file: selects a recipe by the number of domains.", Choice)]
    return "\n".join(parts)


def _augmentations() -> str:
    """The transforms of `data.augment`, and their arguments."""
    rows = []
    for name, transform in AUGMENTATIONS.items():
        fields = settings_of(transform, ("size",)).model_json_schema()["properties"]
        summary = (transform.__doc__ or "").splitlines()[0]
        for key, (low, high) in ranges(transform).items():
            text = f"{summary} {_description(fields[key])}"
            rows.append(f"| `{name}`: `{key}` | number, {low:g}..{high:g} | {_default(fields[key])} | {text} |\n")
    return f"### data.augment\n\nTransforms by name, and their arguments.\n\n{TABLE}{''.join(rows)}"


def recipe_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a recipe's TOML file. [model] and [objective] have one alternative per name."""
    sections: dict[str, Any] = {section: (_one_of(section), ...) for section in CONSTRUCTORS}
    recipe = create_model("Recipe", __base__=Settings, data=(Data, Data()), training=(Training, Training()), **sections)
    choice = create_model("Rule", __base__=Settings, choose=(Choice, ...))
    both: Any = Union[recipe, choice]  # noqa: UP007 - of models made at run time
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **TypeAdapter(both).json_schema()}


def _one_of(section: str) -> Any:
    """The settings of any model or objective, with `name` as the discriminator."""
    names: dict[str, Any] = {name: (Literal[name], ...) for name in CONSTRUCTORS[section]}
    alternatives = [
        create_model(f"{section}-{name}", __base__=section_settings(section, name), name=tag)
        for name, tag in names.items()
    ]
    return Annotated[Union[tuple(alternatives)], Field(discriminator="name")]  # noqa: UP007


def _chapter(title: str, text: str, settings: type[Settings]) -> str:
    rows = [
        f"| `{key}` | {_type(field)} | {_default(field)} | {_description(field)} |\n"
        for key, field in settings.model_json_schema()["properties"].items()
    ]
    return f"## {title}\n\n{text}\n\n{TABLE}{''.join(rows)}".replace("\n\n\n\n", "\n\n")


def _type(field: dict[str, Any]) -> str:
    """The type and range of a property of a JSON schema, in words."""
    if "anyOf" in field:
        return " or ".join(_type(option) for option in field["anyOf"] if option["type"] != "null")
    if "enum" in field:
        return ", ".join(f"`{json.dumps(value)}`" for value in field["enum"])
    if field["type"] == "object":
        return "table"
    if "items" in field:
        return f"list, each {_type(field['items'])}"
    if field["type"] == "array":
        return f"list of {len(field['prefixItems'])}, each {_type(field['prefixItems'][0])}"
    bounds = {"minimum": ">= ", "exclusiveMinimum": "> ", "maximum": "<= ", "exclusiveMaximum": "< "}
    limits = [f"{sign}{field[bound]:.12g}" for bound, sign in bounds.items() if bound in field]
    limits += [f"multiple of {field['multipleOf']}"] if "multipleOf" in field else []
    return ", ".join([field["type"], *limits])


def _default(field: dict[str, Any]) -> str:
    if "default" not in field:
        return "required"
    default = field["default"]
    if isinstance(default, float):
        default = float(f"{default:.5g}")
    return "unset" if default is None else f"`{json.dumps(default)}`"


def _description(field: dict[str, Any]) -> str:
    text = " ".join(field.get("description", "").split()).replace("|", "\\|")
    return text[:1].upper() + text[1:]
