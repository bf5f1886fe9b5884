"""Recipes: every setting of a training run, as TOML with the sections [data], [model], [objective] and [training].

Nothing here imports torch. The settings of [model] and [objective] are the arguments of the class that `name` names, so
they are checked once that class is known, by `bind` or `build`.
"""

from __future__ import annotations

import inspect
import json
import re
import reprlib
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from sivae_translate.errors import UsageError, did_you_mean

SECTIONS = ("data", "model", "objective", "training")
NAMED = ("model", "objective")  # sections whose `name` chooses a class, and whose other keys are its arguments
SIZES = (16, 32, 64, 128, 256, 512)
COLOURS = {"white": "#ffffff", "black": "#000000", "grey": "#808080", "gray": "#808080"}
INTEGERS = range(-(1 << 63), 1 << 63)  # as TOML has them
MAX_BYTES = 1 << 20

Precision = Literal["auto", "fp32", "bf16", "fp16"]
Setting = str | bool | int | float | list[str | bool | int | float] | None
T = TypeVar("T")


def _shown(value: object) -> str:
    """A value as an error quotes it: on one line, cut where it is long."""
    try:
        return reprlib.repr(value)
    except ValueError:  # by which Python refuses to write thousands of digits
        return "a huge number"


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)


@dataclass(frozen=True)
class Data:
    """[data]: how images become batches.

    Attributes:
        size: side of the square images, a power of two in 16..512; 0: by the images and the machine.
        batch: rows in a batch, even: they come in pairs of one style; 0: by the machine.
        fit: how an image becomes square.
        background: what lies behind transparency and padding: white, black, grey or "#rrggbb".
        flip: mirror images at random.
        crop: random crops keep at least 1 - crop of the side; 0..0.5.
        domain_aug: share of the pairs shown as a domain that is not there, of another hue and other proportions; 0..1.
            In the last fifth of the budget there are none. None: by the model.
        encoder_warp: strength of the warp of the encoder's input in the first 0.4 of the budget, 0..0.5. None: by the
            model.
        workers: processes that read images; None: as the machine allows.
    """

    size: int = 64
    batch: int = 64
    fit: Literal["crop", "pad", "stretch"] = "crop"
    background: str = "white"
    flip: bool = False
    crop: float = 0.0
    domain_aug: float | None = None
    encoder_warp: float | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        sizes = ", ".join(map(str, SIZES))
        _require(self.size in (0, *SIZES), f"size: must be one of {sizes}, or 0 (by the images)")
        _require(
            self.batch >= 0 and self.batch % 2 == 0, "batch: must be even (rows come in pairs), or 0 (by the machine)"
        )
        _require(
            re.fullmatch("#[0-9a-fA-F]{6}", COLOURS.get(self.background, self.background)) is not None,
            f'background: must be {", ".join(COLOURS)} or "#rrggbb"',
        )
        _require(0 <= self.crop <= 0.5, "crop: must be in 0..0.5")
        _require(self.domain_aug is None or 0 <= self.domain_aug <= 1, "domain_aug: must be in 0..1")
        _require(self.encoder_warp is None or 0 <= self.encoder_warp <= 0.5, "encoder_warp: must be in 0..0.5")
        _require(self.workers is None or self.workers >= 0, "workers: must be >= 0")

    @property
    def background_rgb(self) -> tuple[int, int, int]:
        """The background as red, green and blue in 0..255."""
        red, green, blue = bytes.fromhex(COLOURS.get(self.background, self.background)[1:])
        return red, green, blue


@dataclass(frozen=True)
class Training:
    """[training]: how long, how fast and how precisely. Durations count images seen.

    Attributes:
        images, minutes: stop after so many, whichever comes first; 0: no limit.
        lr: Adam's learning rate, > 0, reached after a linear ramp over `warmup_images`.
        betas: Adam's, each in [0, 1).
        clip: longest gradient of a player, the norm over its weights; 0: no limit.
        ema: decay of the averaged weights per step, in [0, 1).
        precision: of the forward passes; auto: the fastest that the device computes safely.
        seed: of everything random.
        log_every: images between two lines of the log.
        save_minutes: minutes between two checkpoints; more where saving takes over a tenth of them.
        samples: how many times sample grids are drawn, spread over the run.
    """

    images: int = 0
    minutes: float = 0.0
    lr: float = 1e-3
    warmup_images: int = 6400
    betas: tuple[float, float] = (0.9, 0.99)
    clip: float = 0.0
    ema: float = 0.999
    precision: Precision = "auto"
    seed: int = 0
    log_every: int = 6400
    save_minutes: float = 5.0
    samples: int = 4

    def __post_init__(self) -> None:
        _require(self.images >= 0, "images: must be >= 0 (0: no limit)")
        _require(self.minutes >= 0, "minutes: must be >= 0 (0: no limit)")
        _require(self.lr > 0, "lr: must be > 0")
        _require(self.warmup_images >= 0, "warmup_images: must be >= 0")
        _require(all(0 <= beta < 1 for beta in self.betas), "betas: must be in [0, 1)")
        _require(self.clip >= 0, "clip: must be >= 0 (0: no limit)")
        _require(0 <= self.ema < 1, "ema: must be in [0, 1)")
        _require(self.seed >= 0, "seed: must be >= 0")
        _require(self.log_every >= 1, "log_every: must be >= 1")
        _require(self.save_minutes > 0, "save_minutes: must be > 0")
        _require(self.samples >= 0, "samples: must be >= 0")

    def require_end(self) -> None:
        """Raises UsageError where neither `images` nor `minutes` says when to stop."""
        if not (self.images or self.minutes):
            raise UsageError("training would never end: set training.images or training.minutes above 0")


@dataclass(frozen=True)
class Recipe:
    """A whole recipe. `model` and `objective` hold "name" and settings, unchecked until `bind` meets the class."""

    name: str
    data: Data
    model: dict[str, Any]
    objective: dict[str, Any]
    training: Training

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it, tuples as lists: `{"name": ..., "data": {...}, "model": {...}, ...}`."""
        tables = {
            section: {key: list(value) if isinstance(value, tuple) else value for key, value in table.items()}
            for section, table in asdict(self).items()
            if section != "name"
        }
        return {"name": self.name, **tables}

    @staticmethod
    def from_dict(d: Mapping[str, Any]) -> Recipe:
        """The recipe that `to_dict` wrote, checked as strictly as a file; UsageError for anything else."""
        if not isinstance(d.get("name"), str):
            raise UsageError("the recipe has no name")
        return _recipe(d["name"], _tables({key: value for key, value in d.items() if key != "name"}))


def recipe_names() -> list[str]:
    """The built-in recipes, sorted."""
    return sorted(item.name.removesuffix(".toml") for item in _folder().iterdir() if item.name.endswith(".toml"))


def recipe_text(name: str) -> str:
    """The TOML text of a built-in recipe; UsageError where there is none of that name."""
    known = recipe_names()
    if name not in known:
        raise UsageError(f"no recipe {_shown(name)}: {did_you_mean(name, known)}; a file's name ends in .toml")
    return (_folder() / f"{name}.toml").read_text(encoding="utf-8")


def recipe_summary(name: str) -> str:
    """The first comment line of a built-in recipe: what it is for."""
    comments = (line for line in recipe_text(name).splitlines() if line.startswith("#"))
    return next(comments, "").lstrip("# ")


def load_recipe(name_or_file: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """The built-in recipe of this name, or the one in this .toml file, changed by "section.key=value" overrides.

    The value of an override is a TOML value or, where it is none, a bare string: "model.name=conv".

    Raises:
        UsageError: unknown recipe, broken file, unknown section or key, value of another type or out of its range.
    """
    source = str(name_or_file)
    if source.endswith(".toml"):
        name, text = Path(source).stem, _read(Path(source))
    else:
        name, text = source, recipe_text(source)
    try:
        tables = _tables(tomllib.loads(text))
    except (ValueError, RecursionError) as error:  # ValueError: also a number of too many digits
        raise UsageError(f"{source}: broken TOML: {error}") from error
    for override in overrides:
        section, key, value = _parse_override(override)
        tables[section][key] = value
    return _recipe(name, tables)


def bind(
    section: str, target: Callable[..., Any], values: Mapping[str, Any], *, given: Iterable[str] = ()
) -> dict[str, Any]:
    """Keyword arguments for `target`: `values` checked against its signature and type hints, defaults for the rest.

    An int becomes a float and a list a tuple where one is declared; a bool is never a number. The arguments `given`
    come from the program: they are left out, and no setting. So is `name` in [model] and [objective].

    Raises:
        UsageError: unknown key, missing key, or value of another type.
    """
    call = target.__init__ if inspect.isclass(target) else target
    hints = get_type_hints(call)
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(target).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) and name not in set(given)
    }
    values = {key: value for key, value in values.items() if key != "name" or section not in NAMED}
    for key in values:
        if key not in parameters:
            nearest = did_you_mean(key, list(parameters)) if parameters else "it has no settings"
            raise UsageError(f"unknown key {section}.{key}: {nearest}")
    arguments = {}
    for key, parameter in parameters.items():
        hint = hints.get(key, Setting)
        if key in values:
            arguments[key] = _conform(f"{section}.{key}", values[key], hint)
        elif parameter.default is parameter.empty:
            raise UsageError(f"{section}.{key} is missing: expected {_expected(hint)}")
        else:
            arguments[key] = parameter.default
    return arguments


def build(section: str, target: Callable[..., T], values: Mapping[str, Any], /, **given: Any) -> T:
    """`target` called with `values`, checked by `bind`, and what the program gives.

    A target states its own ranges: a ValueError("alpha: must be > 0") reads "objective.alpha = -1: must be > 0".

    Raises:
        UsageError: as `bind`, or the target refuses a value.
    """
    settings = bind(section, target, values, given=given)
    try:
        return target(**settings, **given)
    except ValueError as error:
        key, _, reason = str(error).partition(": ")
        if key in settings and reason:
            raise UsageError(f"{section}.{key} = {_shown(settings[key])}: {reason}") from error
        raise UsageError(f"[{section}] {error}") from error


def dump_recipe(recipe: Recipe) -> str:
    """The recipe as TOML text. Its name is not in it: that is the file's. A setting that is None is left out."""
    tables = recipe.to_dict()
    sections = (
        f"[{section}]\n" + "".join(f"{key} = {_toml(v)}\n" for key, v in tables[section].items() if v is not None)
        for section in SECTIONS
    )
    return "\n".join(sections)


def difference(a: Recipe, b: Recipe) -> list[str]:
    """What changes from a to b, as "training.lr: 0.001 -> 0.0005"; whatever their names, empty for equal recipes."""
    before, after = a.to_dict(), b.to_dict()
    changes = []
    for section in SECTIONS:
        for key in {**before[section], **after[section]}:
            old, new = before[section].get(key), after[section].get(key)
            if old != new:
                changes.append(f"{section}.{key}: {_toml(old)} -> {_toml(new)}")
    return changes


def _folder() -> Traversable:
    try:
        return files("sivae_translate.recipes")
    except ModuleNotFoundError:  # run from a checkout, where recipes/ lies beside the package
        return Path(__file__).parent.parent / "recipes"


def _read(path: Path) -> str:
    """The text of a recipe file: a regular one of at most `MAX_BYTES`, UTF-8, with or without a byte order mark."""
    try:
        if not path.is_file():  # reading a pipe would hang
            nearest = did_you_mean(path.stem, recipe_names())
            raise UsageError(f"{path}: no such file; of the built-in recipes, {nearest}")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise UsageError(f"{path}: too large for a recipe: more than {MAX_BYTES >> 20} MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}: broken TOML: not UTF-8 (at line {line})") from error


def _tables(d: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """All four sections, empty where `d` has none; UsageError for anything else in `d`."""
    for section, table in d.items():
        if section not in SECTIONS:
            raise UsageError(f"unknown section {_shown(section)}: {did_you_mean(section, list(SECTIONS))}")
        if not isinstance(table, dict):
            raise UsageError(f"{section} = {_shown(table)}: expected a section [{section}]")
        for key in table:
            if not (key.isascii() and key.isidentifier()):
                raise UsageError(f"unknown key {_shown(key)} in [{section}]: a key is a name of letters, digits and _")
    return {section: dict(d.get(section, {})) for section in SECTIONS}


def _recipe(name: str, tables: dict[str, dict[str, Any]]) -> Recipe:
    for section in NAMED:
        for key, value in tables[section].items():
            _conform(f"{section}.{key}", value, str if key == "name" else Setting)
        if "name" not in tables[section]:
            raise UsageError(f"{section}.name is missing: expected the name of the {section}")
    return Recipe(
        name=name,
        data=build("data", Data, tables["data"]),
        model=tables["model"],
        objective=tables["objective"],
        training=build("training", Training, tables["training"]),
    )


def _parse_override(text: str) -> tuple[str, str, Setting]:
    parts = re.fullmatch(r"\s*(\w+)\.([A-Za-z_]\w*)\s*=\s*(.*)", text, re.ASCII)
    if not parts or not text.isprintable():
        raise UsageError(f"{_shown(text)}: expected section.key=value, such as training.lr=0.001")
    section, key, value = parts.groups()
    if section not in SECTIONS:
        raise UsageError(f"unknown section {_shown(section)}: {did_you_mean(section, list(SECTIONS))}")
    with suppress(ValueError, RecursionError):
        return section, key, tomllib.loads(f"value = {value}")["value"]
    return section, key, value


def _conform(key: str, value: Any, hint: Any) -> Any:
    """The value as its type hint has it; UsageError naming the key where it is of another type."""
    try:
        return _converted(value, hint)
    except TypeError as error:
        raise UsageError(f"{key} = {_shown(value)}: expected {_expected(hint)}") from error


def _converted(value: Any, hint: Any) -> Any:
    origin, options = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        for option in options:
            with suppress(TypeError):
                return _converted(value, option)
    elif origin is Literal and any(value == option and type(value) is type(option) for option in options):
        return value
    elif origin in (tuple, list) and isinstance(value, list | tuple):
        any_length = origin is list or options[-1] is ...
        items = [options[0]] * len(value) if any_length else list(options)
        if len(items) == len(value):
            return origin(map(_converted, value, items))
    elif hint is float and type(value) in (int, float) and abs(value) <= sys.float_info.max:  # no nan, no infinity
        return float(value)
    elif hint in (bool, int, str, NoneType) and type(value) is hint and (hint is not int or value in INTEGERS):
        return value
    raise TypeError


def _expected(hint: Any) -> str:
    names = {int: "an integer", float: "a number", bool: "true or false", str: "a string"}
    origin, options = get_origin(hint), get_args(hint)
    if hint == Setting:
        return "a string, a number, true, false or a list of these"
    if origin in (Union, UnionType):
        return " or ".join(_expected(option) for option in options if option is not NoneType)
    if origin is Literal:
        return f"one of {', '.join(map(str, options))}"
    if origin is list or (origin is tuple and options[-1] is ...):
        return f"a list, each {_expected(options[0])}"
    if origin is tuple:
        return f"a list of {len(options)}, each {_expected(options[0])}"
    return names.get(hint, "no value: a recipe cannot set it")


def _toml(value: Setting | list[Setting]) -> str:
    if value is None:
        return "unset"  # only shown: a recipe leaves it out
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # which JSON allows and TOML does not
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return repr(value)
