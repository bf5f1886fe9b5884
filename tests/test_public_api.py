"""The front door: ten names, each documented, none heavier to reach than it must be."""

from __future__ import annotations

import inspect
import subprocess
import sys

import sivae_translate

NAMES = [
    "Code",
    "Recipe",
    "SivaeError",
    "Translator",
    "UsageError",
    "evaluate_pairs",
    "find_domains",
    "load_recipe",
    "read_pairs",
    "train",
]
TRANSLATOR = {
    "__call__", "decode", "edit", "encode", "folder", "from_pretrained", "interpolate", "prepare", "reconstruct",
    "sample", "save_pretrained", "score", "style_of", "to", "to_pictures", "translate",
}  # fmt: skip


def test_the_public_names_are_these() -> None:
    assert sorted(sivae_translate.__all__) == NAMES
    assert dir(sivae_translate) == NAMES


def test_every_public_name_says_what_it_is() -> None:
    for name in NAMES:
        assert inspect.getdoc(getattr(sivae_translate, name)), name


def test_what_a_translator_can_do() -> None:
    public = {name for name in vars(sivae_translate.Translator) if not name.startswith("_") or name == "__call__"}
    assert public == TRANSLATOR
    for name in public:
        assert inspect.getdoc(getattr(sivae_translate.Translator, name)), name


def test_importing_the_package_loads_no_torch() -> None:
    code = "import sys, sivae_translate.cli; print([m for m in ('torch', 'numpy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
