"""The public names: each is documented."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import sivae_translate

NAMES = [
    "Code",
    "Recipe",
    "SivaeError",
    "Translator",
    "UsageError",
    "evaluate",
    "find_domains",
    "load_recipe",
    "read_pairs",
    "train",
    "translate_folder",
]
TRANSLATOR = {
    "__call__", "add_domain", "contents", "decode", "edit", "encode", "from_pretrained", "interpolate", "prepare",
    "random_styles", "reconstruct", "restyle", "sample", "save_pretrained", "score", "style_of", "to", "to_pictures",
    "translate",
}  # fmt: skip


def test_the_public_names_are_these() -> None:
    assert sorted(sivae_translate.__all__) == NAMES
    assert dir(sivae_translate) == NAMES


def test_every_public_name_says_what_it_is() -> None:
    for name in NAMES:
        assert inspect.getdoc(getattr(sivae_translate, name)), name


def test_what_a_translator_can_do() -> None:
    public = {name for name in dir(sivae_translate.Translator) if not name.startswith("_") or name == "__call__"}
    assert public == TRANSLATOR
    for name in public:
        assert inspect.getdoc(getattr(sivae_translate.Translator, name)), name


REFERENCE = (Path(__file__).parent.parent / "docs/api.md").read_text()


def as_documented(name: str, function: Any) -> str:
    """`name(a, b=1, *, c=2)`, without `self` and types."""
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in parameters]
    return f"`{name}{inspect.Signature(bare)}`"


def test_the_reference_has_every_public_name_with_its_arguments() -> None:
    for name in NAMES:
        assert f"`{name}`" in REFERENCE or as_documented(name, getattr(sivae_translate, name)) in REFERENCE, name
    for name in TRANSLATOR:
        assert as_documented(name, getattr(sivae_translate.Translator, name)) in REFERENCE, name


def test_the_reference_names_every_room() -> None:
    rooms = {path.parent.name for path in Path(sivae_translate.__file__).parent.glob("*/__init__.py")} - {"cli"}
    assert {room for room in rooms if f"| `{room}` |" not in REFERENCE} == set()
