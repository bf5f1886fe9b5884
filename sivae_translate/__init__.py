"""Unpaired image translation with Soft-IntroVAE and a content/style split.

from sivae_translate import Translator

translator = Translator.from_pretrained("runs/cars/model")
image = translator("photo.jpg", style="reference.jpg")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sivae_translate.data.domains import find_domains
    from sivae_translate.errors import SivaeError, UsageError
    from sivae_translate.evaluation.pairs import read_pairs
    from sivae_translate.evaluation.report import evaluate
    from sivae_translate.export.model import export_model
    from sivae_translate.inference.batch import TranslateBatch
    from sivae_translate.inference.folder import translate_folder
    from sivae_translate.inference.translator import Translator
    from sivae_translate.inference.video import translate_video
    from sivae_translate.recipe import Recipe, load_recipe
    from sivae_translate.sharing.push import push_to_hub
    from sivae_translate.sharing.repository import model_card
    from sivae_translate.training.run import train
    from sivae_translate.types import Code

# Names are imported on first use, as importing torch takes seconds.
_HOMES = {
    "Code": "types",
    "Recipe": "recipe",
    "SivaeError": "errors",
    "TranslateBatch": "inference.batch",
    "Translator": "inference.translator",
    "UsageError": "errors",
    "evaluate": "evaluation.report",
    "export_model": "export.model",
    "find_domains": "data.domains",
    "load_recipe": "recipe",
    "model_card": "sharing.repository",
    "push_to_hub": "sharing.push",
    "read_pairs": "evaluation.pairs",
    "train": "training.run",
    "translate_folder": "inference.folder",
    "translate_video": "inference.video",
}

__all__ = [
    "Code",
    "Recipe",
    "SivaeError",
    "TranslateBatch",
    "Translator",
    "UsageError",
    "evaluate",
    "export_model",
    "find_domains",
    "load_recipe",
    "model_card",
    "push_to_hub",
    "read_pairs",
    "train",
    "translate_folder",
    "translate_video",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sivae_translate' has no attribute {name!r}")
    return getattr(import_module(f"sivae_translate.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
