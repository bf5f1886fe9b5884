"""A trained model as a directory: `config.json` describes the model, `model.safetensors` holds its weights."""

from __future__ import annotations

import copy
from pathlib import Path, PurePath
from typing import Any

from torch import Tensor

from sivae_translate import checkpoint
from sivae_translate.data.images import Frame
from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.models import MODELS, Autoencoder, StyleAutoencoder

FORMAT = 2  # of `config.json`; raised when models of the previous format can no longer be loaded


def build_model(settings: dict[str, Any], domains: tuple[str, ...], size: int) -> Autoencoder:
    """The model of a recipe's `[model]` section, newly initialised. Raises ValueError for impossible settings."""
    arguments = {key: value for key, value in settings.items() if key != "name"}
    return MODELS[settings["name"]](domains=domains, size=size, **arguments)


def model_directory(path: str | Path) -> Path:
    """The model directory of a run; any other path is returned unchanged.

    Raises:
        UsageError: the path is a folder of runs.
    """
    path = Path(path)
    if (path / "model").is_dir():
        return path / "model"
    runs = sorted(folder.parent for folder in path.glob("*/model") if folder.is_dir())
    if runs and not (path / "config.json").exists():
        raise UsageError(f"{path} is no model, but holds runs: expected one of them, such as {runs[0]}")
    return path


def save_model(directory: Path, model: Autoencoder, settings: dict[str, Any], frame: Frame) -> None:
    """Write `config.json` and `model.safetensors`, atomically; `settings` are those given to `build_model`."""
    config = {
        "format": FORMAT,
        "model": settings,
        "domains": list(model.domains),
        "frame": {"size": frame.size, "fit": frame.fit, "background": list(frame.background)},
    }
    checkpoint.save(directory, {"model": model.state_dict()}, {"config": config})


def load_model(directory: Path) -> tuple[Autoencoder, dict[str, Any], Frame]:
    """The model in eval mode on the CPU, its settings and its frame. Nothing is unpickled.

    Raises:
        SivaeError: no model, or a model that is damaged, of another format or architecture, or holds NaN.
    """
    tensors, meta = checkpoint.load(directory, ["model"], ["config"])
    config = meta["config"]
    require_format(directory, config)
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


def require_format(directory: Path, config: dict[str, Any]) -> None:
    """Raise SivaeError where a `config.json` is not of format `FORMAT`. Without the key "format" the format is 1."""
    given = config.get("format", 1)
    if given == FORMAT:
        return
    expected = f"{directory / 'config.json'} has format {given!r}, and this version reads format {FORMAT}"
    if isinstance(given, int) and given > FORMAT:
        raise SivaeError(f"{expected}: update with: pip install --upgrade sivae-translate")
    raise SivaeError(f"{expected}: train the model again with: sivae-translate train --domains FOLDER")


def checked_names(domains: Any) -> tuple[str, ...]:
    """The domain names of a config. Raises ValueError for names that recur or cannot name a folder."""
    if not isinstance(domains, list) or not domains or len(set(domains)) < len(domains):
        raise ValueError("domains: must be a list of names, each once")
    for name in domains:
        if not names_a_folder(name):
            raise ValueError(f"domains: {name!r} is not the name of a folder")
    return tuple(domains)


def require_new_name(name: str, domains: tuple[str, ...]) -> None:
    """Raise UsageError for the name of a known domain, or a name that cannot name a folder."""
    if not names_a_folder(name):
        raise UsageError(f"no folder can be called {name!r}, and each domain's translations get one: choose another")
    if name in domains:
        raise UsageError(f"this model has a domain {name!r} already: choose another name")


def names_a_folder(name: str) -> bool:
    """Whether a sub-folder can have this name."""
    return PurePath(name).name == name and name not in ("", "..") and "\0" not in name


def with_domain(model: Autoencoder, name: str, style: Tensor) -> Autoencoder:
    """A copy of the model with a further, last domain, whose style prior has the mean `style`, `[S]`."""
    larger = copy.deepcopy(model)
    assert isinstance(larger, StyleAutoencoder)  # the only model with a style in `MODELS`
    larger.add_domain(name, style)
    return larger
