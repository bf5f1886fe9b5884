"""A trained model as a directory: `config.json` says what to build, `model.safetensors` holds the weights."""

from __future__ import annotations

import copy
from pathlib import Path, PurePath
from typing import Any

from torch import Tensor

from sivae_translate import checkpoint
from sivae_translate.data.images import Frame
from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.models import MODELS, Autoencoder, StyleAutoencoder


def build_model(settings: dict[str, Any], domains: tuple[str, ...], size: int) -> Autoencoder:
    """The model of a recipe's `[model]` section, freshly initialised. Raises ValueError on impossible settings."""
    arguments = {key: value for key, value in settings.items() if key != "name"}
    return MODELS[settings["name"]](domains=domains, size=size, **arguments)


def model_directory(path: str | Path) -> Path:
    """A model's directory as given, or the one in the run that was given.

    Raises:
        UsageError: it is neither, but holds a run.
    """
    path = Path(path)
    if (path / "model").is_dir():
        return path / "model"
    runs = sorted(folder.parent for folder in path.glob("*/model") if folder.is_dir())
    if runs and not (path / "config.json").exists():
        raise UsageError(f"{path} is no model, but holds runs: expected one of them, such as {runs[0]}")
    return path


def save_model(directory: Path, model: Autoencoder, settings: dict[str, Any], frame: Frame) -> None:
    """Write `config.json` and `model.safetensors`, atomically; `settings` as given to `build_model`."""
    config = {
        "model": settings,
        "domains": list(model.domains),
        "frame": {"size": frame.size, "fit": frame.fit, "background": list(frame.background)},
    }
    checkpoint.save(directory, {"model": model.state_dict()}, {"config": config})


def load_model(directory: Path) -> tuple[Autoencoder, dict[str, Any], Frame]:
    """The model in eval mode on the CPU, its settings and its frame. Strict; nothing is unpickled.

    Raises:
        SivaeError: no model there, damaged, of another architecture, or holding NaN; one line each.
    """
    tensors, meta = checkpoint.load(directory, ["model"], ["config"])
    config = meta["config"]
    try:
        frame = Frame(config["frame"]["size"], config["frame"]["fit"], tuple(config["frame"]["background"]))
        model = build_model(config["model"], checked_names(config["domains"]), frame.size)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise SivaeError(
            f"{directory / 'config.json'} describes no model this version can build ({error!r}): expected one written "
            f"by sivae-translate, of the kinds {', '.join(MODELS)}"
        ) from None
    checkpoint.load_into(model, tensors["model"], str(directory / "model.safetensors"))
    return model.eval().requires_grad_(False), config["model"], frame


def checked_names(domains: Any) -> tuple[str, ...]:
    """The domains of a config, each fit to name the folder its translations go to; ValueError for any that is not."""
    if not isinstance(domains, list) or not domains or len(set(domains)) < len(domains):
        raise ValueError("domains: must be a list of names, each once")
    for name in domains:
        if not names_a_folder(name):
            raise ValueError(f"domains: {name!r} is not the name of a folder")
    return tuple(domains)


def require_new_name(name: str, domains: tuple[str, ...]) -> None:
    """Raise UsageError where no domain of this name can join these."""
    if not names_a_folder(name):
        raise UsageError(f"no folder can be called {name!r}, and each domain's translations get one: choose another")
    if name in domains:
        raise UsageError(f"this model has a domain {name!r} already: choose another name")


def names_a_folder(name: str) -> bool:
    return PurePath(name).name == name and name not in ("", "..") and "\0" not in name


def with_domain(model: Autoencoder, name: str, style: Tensor) -> Autoencoder:
    """A copy that knows one domain more, the last, with this style `[S]` as its prior's mean."""
    larger = copy.deepcopy(model)
    assert isinstance(larger, StyleAutoencoder)  # the one model of style in `MODELS`
    larger.add_domain(name, style)
    return larger
