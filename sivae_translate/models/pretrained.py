"""A trained model as a directory: `config.json` describes the model, `model.safetensors` holds its weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from sivae_translate import checkpoint
from sivae_translate.data.images import FITS, Frame
from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.host import own_torch_state
from sivae_translate.models import MODELS, Autoencoder, TranslatingAutoencoder
from sivae_translate.models.autoencoder import SIZES
from sivae_translate.models.meta import on_meta
from sivae_translate.names import names_a_folder

MAX_PARAMETERS = 10**9  # 4 GB in float32; the largest network that the settings allow has 8.2e8
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
    if checkpoint.in_place(path / "model").is_dir():
        return path / "model"
    runs = sorted(folder.parent for folder in path.glob("*/model") if folder.is_dir())
    if runs and not (path / "config.json").exists():
        raise UsageError(f"{path} is no model, but holds runs: expected one of them, such as {runs[0]}")
    return path


def save_model(
    directory: str | Path,
    model: Autoencoder,
    settings: dict[str, Any],
    frame: Frame,
    figures: Mapping[str, Any] | None = None,
    *,
    half: bool = False,
) -> None:
    """Write `config.json` and `model.safetensors`, atomically.

    Args:
        settings: those given to `build_model`.
        figures: on held-out images, for `figures.json`, which loading ignores.
        half: write floating-point weights as float16, which the loader makes float32 again.
    """
    config = {
        "format": FORMAT,
        "model": settings,
        "domains": list(model.domains),
        "frame": {
            **{"size": frame.size, "fit": frame.fit, "background": list(frame.background)},
            **({} if frame.white is None else {"white": frame.white}),
        },
    }
    meta = {"config": config} if figures is None else {"config": config, "figures": figures}
    weights = model.state_dict()
    if half:
        weights = {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}
    checkpoint.save(Path(directory), {"model": weights}, meta)


@own_torch_state()
def load_model(directory: str | Path) -> tuple[Autoencoder, dict[str, Any], Frame]:
    """The model in eval mode on the CPU, its settings and its frame. Nothing is unpickled, no random number is drawn.

    Memory is allocated only for a model of at most `MAX_PARAMETERS` whose config and weights agree.

    Raises:
        SivaeError: no model, or a model that is damaged, of another format or architecture, or holds NaN or weights
            above `checkpoint.MAX_WEIGHT`.
    """
    directory = Path(directory)

    def reader(files: checkpoint.Files) -> tuple[Autoencoder, dict[str, Any], Frame]:
        weights = str(directory / "model.safetensors")
        forms, config = files.forms("model"), files.json("config")
        require_format(directory, config)
        model, frame = described(directory, config)
        checkpoint.require_fit(model, forms, weights)
        checkpoint.load_into(model, files.tensors("model"), weights)
        return model.eval().requires_grad_(False), config["model"], frame

    return checkpoint.read(directory, reader)


def described(directory: Path, config: Mapping[str, Any]) -> tuple[Autoencoder, Frame]:
    """The model that a config describes, on the meta device, which takes no memory, and its frame.

    Raises:
        SivaeError: a config that describes no model, or one of more than `MAX_PARAMETERS`.
    """
    try:
        frame, domains = checked_frame(config["frame"]), checked_names(config["domains"])
        with on_meta():
            model = build_model(config["model"], domains, frame.size)
    except (AttributeError, KeyError, OverflowError, RuntimeError, TypeError, ValueError) as error:
        raise SivaeError(
            f"{directory / 'config.json'} describes no model this version can build ({repr(error)[:300]}): expected "
            f"one written by sivae-translate, of the kinds {', '.join(MODELS)}"
        ) from None
    count = sum(parameter.numel() for parameter in model.parameters())
    if count > MAX_PARAMETERS:
        raise SivaeError(
            f"{directory / 'config.json'} describes {count:,} parameters: expected at most {MAX_PARAMETERS:,}"
        )
    return model, frame


def require_format(directory: Path, config: dict[str, Any]) -> None:
    """Raise SivaeError where a `config.json` is not of format `FORMAT`. Without the key "format" the format is 1."""
    given = config.get("format", 1)
    if given == FORMAT:
        return
    expected = f"{directory / 'config.json'} has format {given!r}, and this version reads format {FORMAT}"
    if isinstance(given, int) and given > FORMAT:
        raise SivaeError(f"{expected}: update with: pip install --upgrade sivae-translate")
    raise SivaeError(f"{expected}: train the model again with: sivae-translate train --domains FOLDER")


def checked_frame(frame: Mapping[str, Any]) -> Frame:
    """The frame of a config. Raises ValueError for an impossible value."""
    size, fit, background = frame["size"], frame["fit"], frame["background"]
    if type(size) is not int or size not in SIZES:
        raise ValueError(f"frame.size = {size!r}: must be one of {', '.join(map(str, SIZES))}")
    if fit not in FITS:
        raise ValueError(f"frame.fit = {fit!r}: must be one of {', '.join(FITS)}")
    levels = background if isinstance(background, list) else []
    if len(levels) != 3 or not all(type(level) is int and 0 <= level <= 255 for level in levels):
        raise ValueError(f"frame.background = {background!r}: must be three whole numbers from 0 to 255")
    white = frame.get("white")  # missing where training has seen no float or 32-bit image
    if white is not None and not (type(white) in (int, float) and 0 < white < math.inf):
        raise ValueError(f"frame.white = {white!r}: must be a positive number")
    return Frame(size, fit, (levels[0], levels[1], levels[2]), white)


def checked_names(domains: Any) -> tuple[str, ...]:
    """The domain names of a config. Raises ValueError for names that recur or cannot name a folder."""
    if not isinstance(domains, list) or not domains:
        raise ValueError("domains: must be a list of names, each once")
    for name in domains:
        if not names_a_folder(name):
            raise ValueError(f"domains: {name!r} is not the name of a folder")
    if len(set(domains)) < len(domains):
        raise ValueError("domains: must be a list of names, each once")
    return tuple(domains)


def require_new_name(name: str, domains: tuple[str, ...]) -> None:
    """Raise UsageError for the name of a known domain, or a name that cannot name a folder."""
    if not names_a_folder(name):
        raise UsageError(f"no folder can be called {name!r}, and each domain's translations get one: choose another")
    if name in domains:
        raise UsageError(f"this model has a domain {name!r} already: choose another name")


def with_domain(model: Autoencoder, name: str, style: Tensor) -> Autoencoder:
    """A copy of the model with a further, last domain, whose style prior has the mean `style`, `[S]`."""
    larger = copy.deepcopy(model)
    assert isinstance(larger, TranslatingAutoencoder)  # as every model with a style is
    larger.add_domain(name, style)
    return larger
