"""`trainer.json` of a saved state: the progress of a run and what it trains on. Reading it imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.recipe import load_recipe
from sivae_translate.training.state import Budget, State
from sivae_translate.untrusted import read_json

FORMAT = 2  # of trainer.json and the tensors beside it
NAMES = ("state", "state-before")

Count = Annotated[int, Field(ge=0, lt=1 << 62)]


class Saved(BaseModel):
    """A part of trainer.json. Unknown keys are ignored, as a later version may add some."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class SavedProgress(Saved):
    """A `State`."""

    step: Count
    images: Count
    seconds: Annotated[float, Field(ge=0)]
    lr_scale: Annotated[float, Field(gt=0, le=1)] = 1.0
    scaled_lr: Annotated[float, Field(ge=0)] | None = None  # not in states of earlier versions


class SavedImages(Saved):
    """A `Fingerprint`."""

    images: Count
    sha256: str


class Trainer(Saved):
    """The content of trainer.json, without its format."""

    state: SavedProgress
    averaged: Count
    optimizers: dict[str, dict[str, Any]]
    domains: list[str]
    images: SavedImages | None = None


def read_trainer(folder: Path, values: dict[str, Any]) -> Trainer:
    """The checked content of trainer.json. Raises UsageError for another format, and SivaeError for damaged values."""
    if values.get("format") != FORMAT:
        raise UsageError(
            f"{folder} has format {values.get('format', 1)}, expected {FORMAT}: it cannot be resumed by this version; "
            "train anew in another --out"
        )
    try:
        return Trainer.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise SivaeError(f"{folder / 'trainer.json'}: {where}: {first['msg']}") from error


def finished(run: Path) -> bool:
    """Whether a run has spent the budget of its recipe. A model whose states were deleted cannot train further."""
    folders = [run / name for name in NAMES if (run / name).is_dir()]
    if not folders:
        return (run / "model" / "config.json").exists()
    for folder in folders:
        try:
            trainer = read_trainer(folder, read_json(folder / "trainer.json"))
            training = load_recipe(run / "recipe.toml").training
        except (OSError, SivaeError):
            continue
        return Budget(training.images, training.minutes).progress(State(**trainer.state.model_dump())) >= 1
    return False
