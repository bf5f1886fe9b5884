"""Recipes: every setting of a training run, as TOML with the sections [data], [model], [objective] and [training].

A recipe with the single section [choose] selects one of other recipes, by the number of domains and their images.

The settings of [model] and [objective] are the arguments of the constructor called `name`. `training.constructors`
validates both sections, so this module imports no torch.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from sivae_translate.errors import UsageError, did_you_mean
from sivae_translate.schema import Settings, quoted, validate

SECTIONS = ("data", "model", "objective", "training")
NAMED = ("model", "objective")  # sections of a constructor: `name`, and its arguments
COLOURS = {"white": "#ffffff", "black": "#000000", "grey": "#808080", "gray": "#808080"}
MAX_BYTES = 1 << 20
RENAMED = {  # recipes, and "section.key"
    "style-128": "is called objects-128 now",
    "style-256": "is called objects-256 now",
    "data.variants": "is called data.domain_aug now",
    "data.flip": 'is now data.augment = [{name = "flip"}]',
    "data.crop": 'is now data.augment = [{name = "crop", keep = 0.8}]',
    "data.warp": "is called data.encoder_warp now",
    "data.warp_until": "is now part of data.encoder_warp: leave it out",
    "model.grid": "is called model.content_stride now, in pixels per place of the content; 0 for a vector",
    "objective.warmup": "is called objective.vae_fraction now",
    "objective.share": "is called objective.fake_fraction now",
    "objective.back": "is called objective.back_translation now",
    "objective.beta_features": "is called objective.feature_matching now",
    "objective.knee": "is deleted: leave it out; objective.feature_matching alone makes images sharper",
}

Precision = Literal["auto", "fp32", "bf16", "fp16"]
Size = Literal[0, 16, 32, 64, 128, 256, 512]
Count = Annotated[int, Field(ge=0)]
NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Decay = Annotated[float, Field(ge=0, lt=1)]


def _colour(value: str) -> str:
    if not re.fullmatch("#[0-9a-fA-F]{6}", COLOURS.get(value, value)):
        raise ValueError(f'must be {", ".join(COLOURS)} or "#rrggbb"')
    return value


def _transforms(value: Any) -> Any:
    from sivae_translate.data.augment import check_augment

    check_augment(value)
    return value


class Data(Settings):
    """[data]: how images become batches."""

    size: Size = 64
    """Side of the square images, in pixels. 0 is automatic: 32, 64 or, on a GPU, 128, and at most the images' own side.
    Twice the side takes about four times as long, so begin small."""
    batch: Annotated[int, Field(ge=0, multiple_of=2)] = 64
    """Rows of a step's batch, in pairs of one domain. Processes that train together share the rows equally, so a run
    on two GPUs learns what it learns on one. 0 is automatic: 32 on a CPU, 64 on a GPU. Raise it with the number of
    processes. Where memory runs out, training.accumulate is raised instead, so that the batch stays as it is."""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """How an image becomes square: "crop" keeps the central square, "pad" adds background, "stretch" changes the
    proportions. Choose "pad" where objects reach the border."""
    background: Annotated[str, AfterValidator(_colour)] = "white"
    """Colour under transparent images and beside padded ones: white, black, grey or "#rrggbb". Choose the background
    of the images."""
    white: NonNegative = 0.0
    """Value that is white in float and 32-bit images; black is 0. 0 is automatic: the smallest of 1, 255, 65535 and
    4294967295 that holds all of them. Set it where the brightest image is darker than white."""
    augment: Annotated[tuple[dict[str, Any], ...], BeforeValidator(_transforms), Field(strict=False)] = ()
    """Random transforms of each image, in this order, as tables such as {name = "crop", keep = 0.8}. The names are
    flip, crop, affine, colour, noise and blur. Use transforms where images are few. Leave out "flip" where left and
    right differ, as in text, and "colour" where colours are the style."""
    domain_aug: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Probability that a training pair is recoloured and rescaled into a synthetic new domain. Domain augmentation acts
    in the first four fifths of the budget, and improves translation to unseen domains. Use it in runs of 15 minutes or
    more."""
    encoder_warp: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Strength of the spatial augmentation of the encoder's input along each axis. The strength falls to 0 between one
    and two fifths of the budget. The warp keeps different poses with similar outlines from sharing a content. Use it
    for objects in any pose, not for pictures."""
    holdout: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Fraction of each domain's images that is never trained on, chosen by their names. Training measures the model on
    at most 200 of them, at up to 20 checkpoints, and keeps the best one in model-best/. 0 holds out none; a split
    val/ of the folder then serves instead, and a split test/ is measured without choosing a model. Use 0.05 where the
    folder has no split val/."""
    workers: Count | None = None
    """Processes that read images. Unset is automatic: 0 for images that fit in memory, else one per core, at most 8.
    Set 0 where the system allows no further processes."""

    @property
    def background_rgb(self) -> tuple[int, int, int]:
        """The background as red, green and blue in 0..255."""
        red, green, blue = bytes.fromhex(COLOURS.get(self.background, self.background)[1:])
        return red, green, blue


class Training(Settings):
    """[training]: how long, how fast and how precisely. Durations count images seen or minutes."""

    images: Count = 0
    """Images after which training ends; 0 for no limit. The budget is spent when `images` or `minutes` is reached. Set
    `images` to compare runs on different machines."""
    minutes: NonNegative = 0.0
    """Minutes after which training ends; 0 for no limit. More minutes give better images; the learning rate and all
    schedules stretch with them."""
    lr: Positive = 1e-3
    """Peak learning rate of Adam, after the warm-up and before the cosine decay. Lower it where training diverges or
    runs for hours."""
    warmup_images: Count = 6400
    """Images over which the learning rate rises linearly from 0. Raise it where training diverges at the start."""
    betas: Annotated[tuple[Decay, Decay], Field(strict=False)] = (0.9, 0.99)
    """Decay of Adam's two moments. The second is below Adam's usual 0.999 because runs are short."""
    clip: NonNegative = 0.0
    """Largest gradient norm of the encoder, and of the decoder; 0 for no limit. A single outlier can have a thousand
    times the usual gradient. Set a limit where training diverges suddenly."""
    ema: Decay = 0.999
    """Decay per step of the moving average of the weights, which is saved as the model. Lower it in runs of a few
    thousand steps."""
    precision: Precision = "auto"
    """Precision of the forward passes. "auto" is automatic: bf16 where the device is faster in it, else fp32. Set
    "fp32" to exclude rounding as the cause of a failure."""
    accumulate: Annotated[int, Field(ge=1)] = 1
    """Slices of each process's rows that a step computes one after the other, averaging their gradients. Above 1 it
    implies training.recompute. More take less memory and more time, and the model learns the same. A single process
    raises it by itself where memory runs out, at least twofold each time. Raise it where several processes run out."""
    recompute: bool = False
    """Whether a step keeps only the inputs of the networks' passes, and computes the passes again for gradients. The
    model learns the same, in two fifths of the memory and four thirds of the time. Set it where memory runs out."""
    seed: Annotated[int, Field(ge=0, lt=1 << 32)] = 0
    """Seed of all random numbers. Change it to measure the spread between runs."""
    log_every: Annotated[int, Field(ge=1)] = 6400
    """Images between two lines of the log. Lower it for more detail in a short run."""
    save_minutes: Positive = 5.0
    """Minutes between two checkpoints, more where saving takes over a tenth of the time. Lower it where a run may be
    killed."""
    samples: Count = 8
    """Number of times that sample grids are drawn, evenly over the run. `report.html` shows them. The number does not
    affect the model."""
    capture: bool = False
    """Whether a GPU replays the training step as a CUDA graph. Images of up to 64 px leave a GPU idle otherwise. A step
    that is not finite is then noticed at the next line of the log. Not measured yet."""
    fused_norm: bool = False
    """Whether a GPU computes normalisation and activation in one Triton kernel. Meant for images of 128 px or more. Not
    measured yet."""

    def require_end(self) -> None:
        """Raises UsageError where neither `images` nor `minutes` limits training."""
        if not (self.images or self.minutes):
            raise UsageError("training would never end: set training.images or training.minutes above 0")


class Choice(Settings):
    """[choose]: a recipe or two for a few labelled domains, another for the rest. A labelled domain is a sub-folder."""

    recipe: str
    """Recipe for `min_domains` to `max_domains` labelled domains."""
    filled: str | None = None
    """Recipe in place of `recipe` for images that fill their frame: most have no even border."""
    otherwise: str
    """Recipe for fewer or more domains, and for a folder without sub-folders."""
    min_domains: Annotated[int, Field(ge=1)] = 2
    """Least number of labelled domains for `recipe`."""
    max_domains: Annotated[int, Field(ge=1)] = 8
    """Largest number of labelled domains for `recipe`."""

    @property
    def recipes(self) -> list[str]:
        """The recipes it chooses from."""
        return [name for name in (self.recipe, self.filled, self.otherwise) if name]

    def select(self, domains: int, fill_frame: Callable[[], bool]) -> tuple[str, str]:
        """The recipe for this number of labelled domains, and the reason. Images are measured where they decide."""
        found = f"{domains:,} domain{'' if domains == 1 else 's'}" if domains else "no sub-folders"
        few = self.min_domains <= domains <= self.max_domains
        if not few or self.filled is None:
            reason = f"{found}; {self.recipe} is for {self.min_domains} to {self.max_domains} domains"
            return (self.recipe if few else self.otherwise), reason
        if fill_frame():
            return self.filled, f"{found} of images that fill their frame; the other choice: --recipe {self.recipe}"
        return self.recipe, f"{found} of images on an even ground; the other choice: --recipe {self.filled}"


@dataclass(frozen=True, repr=False)
class Recipe:
    """A whole recipe.

    Attributes:
        name: of the recipe, or of its file without the ending.
        data, training: validated settings.
        model, objective: "name" and the arguments of the constructor of that name, not validated yet.
    """

    name: str
    data: Data
    model: dict[str, Any]
    objective: dict[str, Any]
    training: Training

    def __repr__(self) -> str:
        size = f"{self.data.size} px" if self.data.size else "the size of the images"
        limits = {"images": self.training.images, "minutes": self.training.minutes}
        budget = " or ".join(f"{limit:,g} {unit}" for unit, limit in limits.items() if limit) or "no end"
        names = f"model {self.model.get('name')}, objective {self.objective.get('name')}"
        return f"<Recipe {self.name}: {names}, {size}, {budget}; sections() has every setting>"

    def sections(self) -> dict[str, dict[str, Any]]:
        """Section -> key -> value, a copy."""
        return {
            "data": self.data.model_dump(),
            "model": dict(self.model),
            "objective": dict(self.objective),
            "training": self.training.model_dump(),
        }

    def get(self, key: str) -> Any:
        """The value of "section.key"; None where a recipe does not set it."""
        section, _, name = key.partition(".")
        return self.sections()[section].get(name)

    def override(self, overrides: Sequence[str] | Mapping[str, Any]) -> Recipe:
        """This recipe changed by texts "section.key=value" or by a mapping of "section.key" to value.

        Raises:
            UsageError: as `load_recipe`.
        """
        return _recipe(self.name, _overridden(self.sections(), overrides))


def recipe_names() -> list[str]:
    """The built-in recipes, sorted."""
    return sorted(item.name.removesuffix(".toml") for item in _folder().iterdir() if item.name.endswith(".toml"))


def recipe_text(name: str) -> str:
    """The TOML text of a built-in recipe; UsageError where there is none of that name."""
    if name in RENAMED:
        raise UsageError(f"recipe {name} {RENAMED[name]}")
    known = recipe_names()
    if name not in known:
        raise UsageError(f"no recipe {quoted(name)}: {did_you_mean(name, known)}; a file's name ends in .toml")
    return (_folder() / f"{name}.toml").read_text(encoding="utf-8")


def recipe_summary(name: str) -> str:
    """The first comment line of a built-in recipe: its purpose."""
    comments = (line for line in recipe_text(name).splitlines() if line.startswith("#"))
    return next(comments, "").lstrip("# ")


def recipe_choices(name_or_file: str | Path) -> list[str]:
    """The recipes that this one chooses from; empty for a recipe of settings."""
    choice = _choice(str(name_or_file))
    return choice.recipes if choice else []


def choose_recipe(
    name_or_file: str | Path, domains: int | None, fill_frame: Callable[[], bool] = lambda: False
) -> tuple[str, str]:
    """The recipe that this one selects, and the reason. A recipe of settings selects itself, with the reason "".

    Args:
        domains: number of labelled domains of the training folder; 0 where it has no sub-folders.
        fill_frame: says whether its images fill their frame, see `training.autoconfig.fill_frame`.

    Raises:
        UsageError: the recipe is unknown or broken, or selects by the domains and `domains` is None.
    """
    source = str(name_or_file)
    choice = _choice(source)
    if choice is None:
        return source, ""
    if domains is None:
        raise UsageError(
            f"recipe {source} is a choice between {', '.join(choice.recipes)} by the number of domains: "
            f"name one of them, or give the number, as in load_recipe({source!r}, domains=2)"
        )
    return choice.select(domains, fill_frame)


def load_recipe(name_or_file: str | Path, overrides: Sequence[str] = (), *, domains: int | None = None) -> Recipe:
    """The built-in recipe of this name, or the one in this .toml file, changed by "section.key=value" overrides.

    The value of an override is a TOML value or, where it is none, a bare string: "model.name=conv".

    Args:
        domains: number of labelled domains of the training folder, for a recipe with [choose].

    Raises:
        UsageError: unknown recipe, broken file, unknown section or key, value of another type or out of its range.
    """
    source, _ = choose_recipe(name_or_file, domains)
    return _recipe(_name(source), _overridden(_sections(_tables(source)), overrides))


def dump_recipe(recipe: Recipe) -> str:
    """The recipe as TOML text, without its name. A setting that is None is left out."""
    return "\n".join(
        f"[{section}]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in table.items() if value is not None)
        for section, table in recipe.sections().items()
    )


def difference(a: Recipe, b: Recipe) -> list[str]:
    """Changes of settings from a to b, such as "training.lr: 0.001 -> 0.0005"; empty for equal settings."""
    before, after = a.sections(), b.sections()
    keys = [f"{section}.{key}" for section in SECTIONS for key in {**before[section], **after[section]}]
    return [f"{key}: {_toml(a.get(key))} -> {_toml(b.get(key))}" for key in keys if a.get(key) != b.get(key)]


def _folder() -> Traversable:
    try:
        return files("sivae_translate.recipes")
    except ModuleNotFoundError:  # run from a checkout, where recipes/ lies beside the package
        return Path(__file__).parent.parent / "recipes"


def _name(source: str) -> str:
    return Path(source).stem if source.endswith(".toml") else source


def _tables(source: str) -> dict[str, Any]:
    """The TOML of a built-in recipe or a file."""
    text = _read(Path(source)) if source.endswith(".toml") else recipe_text(source)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also a number of too many digits
        raise UsageError(f"{source}: broken TOML: {error}") from error


def _choice(source: str) -> Choice | None:
    tables = _tables(source)
    if "choose" not in tables:
        return None
    if len(tables) > 1 or not isinstance(tables["choose"], dict):
        raise UsageError(f"{source}: expected nothing beside [choose], or no such section")
    return validate("choose", Choice, tables["choose"])


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


def _sections(tables: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """All four sections, empty where `tables` has none; UsageError for anything else."""
    for section, table in tables.items():
        _require_section(section)
        if not isinstance(table, dict):
            raise UsageError(f"{section} = {quoted(table)}: expected a section [{section}]")
        for key in table:
            if not (key.isascii() and key.isidentifier()):
                raise UsageError(f"unknown key {quoted(key)} in [{section}]: a key is a name of letters, digits and _")
    return {section: dict(tables.get(section, {})) for section in SECTIONS}


def _require_section(section: str) -> None:
    if section not in SECTIONS:
        raise UsageError(f"unknown section {quoted(section)}: {did_you_mean(section, list(SECTIONS))}")


def _overridden(
    sections: dict[str, dict[str, Any]], overrides: Sequence[str] | Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    pairs = overrides.items() if isinstance(overrides, Mapping) else map(_parse_override, overrides)
    for path, value in pairs:
        section, _, key = path.partition(".")
        sections[section][key] = value
    return sections


def _parse_override(text: str) -> tuple[str, Any]:
    """ "section.key=value" -> ("section.key", value)."""
    parts = re.fullmatch(r"\s*(\w+)\.([A-Za-z_]\w*)\s*=\s*(.*)", text, re.ASCII)
    if not parts or not text.isprintable():
        raise UsageError(f"{quoted(text)}: expected section.key=value, such as training.lr=0.001")
    section, key, value = parts.groups()
    _require_section(section)
    with suppress(ValueError, RecursionError):
        return f"{section}.{key}", tomllib.loads(f"value = {value}")["value"]
    return f"{section}.{key}", value


def _recipe(name: str, sections: dict[str, dict[str, Any]]) -> Recipe:
    for section, table in sections.items():
        for key in table:
            if f"{section}.{key}" in RENAMED:
                raise UsageError(f"{section}.{key} {RENAMED[f'{section}.{key}']}")
    for section in NAMED:
        chosen = sections[section].get("name")
        if chosen is None:
            raise UsageError(f"{section}.name is missing: expected the name of the {section}")
        if not isinstance(chosen, str):
            raise UsageError(f"{section}.name = {quoted(chosen)}: must be a valid string")
    return Recipe(
        name=name,
        data=validate("data", Data, sections["data"]),
        model=sections["model"],
        objective=sections["objective"],
        training=validate("training", Training, sections["training"]),
    )


def _toml(value: Any) -> str:
    if value is None:
        return "unset"  # for messages; TOML has no null
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # which JSON allows and TOML does not
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {_toml(item)}' for key, item in value.items())}}}"
    return repr(value)
