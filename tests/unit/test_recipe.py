"""Recipes: what a file or an override sets, what is refused and in which words, and that nothing is lost on the way."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

import sivae_translate
from sivae_translate import recipe as module
from sivae_translate.errors import UsageError
from sivae_translate.recipe import (
    Data,
    Recipe,
    Training,
    bind,
    build,
    difference,
    dump_recipe,
    load_recipe,
    recipe_names,
    recipe_summary,
    recipe_text,
)

CARS = """\
# Cars, small: a first run.
# More about it.

[data]
size = 32
[model]
name = "conv"
widths = [32, 64]
[objective]
name = "split"
[training]
lr = 2
betas = [0, 0.9]
"""
FACES = CARS.replace("# Cars, small: a first run.\n", "\n#Faces\n") + "images = 5\n"
NAMED = '[model]\nname = "conv"\n[objective]\nname = "split"\n'


@pytest.fixture
def built_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two built-in recipes, cars and faces, in a folder."""
    folder = tmp_path / "built-in"
    folder.mkdir()
    (folder / "cars.toml").write_text(CARS)
    (folder / "faces.toml").write_text(FACES)
    (folder / "README.md").write_text("no recipe")
    monkeypatch.setattr(module, "_folder", lambda: folder)
    return folder


def written(folder: Path, text: str | bytes, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def error(call: Any, *args: Any, **named: Any) -> str:
    with pytest.raises(UsageError) as caught:
        call(*args, **named)
    message = str(caught.value)
    assert message.isprintable() and len(message) < 400  # one line, whatever was given
    return message


def test_a_built_in_recipe_sets_what_it_says_and_defaults_the_rest(built_in: Path) -> None:
    recipe = load_recipe("cars")
    assert recipe == Recipe(
        name="cars",
        data=Data(size=32),
        model={"name": "conv", "widths": [32, 64]},
        objective={"name": "split"},
        training=Training(lr=2.0, betas=(0.0, 0.9)),
    )
    assert type(recipe.training.lr) is float and type(recipe.training.betas) is tuple


def test_built_in_recipes_are_listed_shown_and_summed_up(built_in: Path) -> None:
    assert recipe_names() == ["cars", "faces"]
    assert recipe_text("cars") == CARS
    assert [recipe_summary(name) for name in recipe_names()] == ["Cars, small: a first run.", "Faces"]
    (built_in / "bare.toml").write_text("[data]\n")
    assert recipe_summary("bare") == ""


def test_recipes_come_from_the_package_where_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, CARS, "packed.toml")
    (tmp_path / "recipes").symlink_to(tmp_path)
    monkeypatch.setattr(sivae_translate, "__path__", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "sivae_translate.recipes", raising=False)
    assert recipe_names() == ["packed"]
    assert recipe_text("packed") == CARS
    del sys.modules["sivae_translate.recipes"]  # the test's own; monkeypatch brings back another


def test_recipes_come_from_the_checkout_where_there_is_no_such_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sivae_translate, "__path__", [])
    monkeypatch.delitem(sys.modules, "sivae_translate.recipes", raising=False)
    (tmp_path / "recipes").mkdir()
    written(tmp_path / "recipes", CARS, "loose.toml")
    monkeypatch.setattr(module, "__file__", str(tmp_path / "sivae_translate" / "recipe.py"))
    assert recipe_names() == ["loose"]


def test_every_recipe_that_comes_along_loads_and_says_what_it_is() -> None:
    for name in recipe_names():
        assert recipe_summary(name)
        recipe = load_recipe(name)
        assert Recipe.from_dict(recipe.to_dict()) == recipe


def test_a_file_is_named_after_itself_and_may_be_written_by_notepad(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xef\xbb\xbf" + NAMED.replace("\n", "\r\n").encode())
    assert load_recipe(path) == load_recipe(str(path))
    assert load_recipe(path).name == "mine"


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("data.size=128", "data", "size", 128),
        ("data.size = 128", "data", "size", 128),
        ("data.flip=true", "data", "flip", True),
        ("data.background=#00fF80", "data", "background", "#00fF80"),  # TOML reads a comment, and no value
        ('data.background="black"', "data", "background", "black"),
        ("data.workers=0", "data", "workers", 0),
        ("training.lr=1", "training", "lr", 1.0),
        ("training.lr=5e-4", "training", "lr", 0.0005),
        ("training.images=1_000_000", "training", "images", 1_000_000),
        ("training.betas=[0, 0.5]", "training", "betas", (0.0, 0.5)),
        ("model.name=resnet", "model", "name", "resnet"),
        ("model.widths=[1, 2]", "model", "widths", [1, 2]),
        ("model.note=a=b", "model", "note", "a=b"),
        ("model.note=", "model", "note", ""),
        ("model.note=" + "[" * 5000, "model", "note", "[" * 5000),
    ],
)
def test_an_override_sets_one_value(built_in: Path, override: str, section: str, key: str, value: object) -> None:
    table = getattr(load_recipe("cars", [override]), section)
    got = table[key] if isinstance(table, dict) else getattr(table, key)
    assert got == value and type(got) is type(value)


def test_the_last_override_wins_and_the_others_stay(built_in: Path) -> None:
    recipe = load_recipe("faces", ["data.size=16", "data.domain_aug=0.5", "data.size=64"])
    assert (recipe.data, recipe.training.images) == (Data(size=64, domain_aug=0.5), 5)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.size=big", "data.size = 'big': expected an integer"),
        ("data.size=64.0", "data.size = 64.0: expected an integer"),
        ("data.size=true", "data.size = True: expected an integer"),
        ("data.size=100", "data.size = 100: must be one of 16, 32, 64, 128, 256, 512, or 0 (by the images)"),
        ("data.size=8", "data.size = 8: must be one of 16, 32, 64, 128, 256, 512, or 0 (by the images)"),
        ("data.batch=-2", "data.batch = -2: must be even (rows come in pairs), or 0 (by the machine)"),
        ("data.batch=7", "data.batch = 7: must be even (rows come in pairs), or 0 (by the machine)"),
        ("data.fit=squash", "data.fit = 'squash': expected one of crop, pad, stretch"),
        ("data.background=pink", "data.background = 'pink': must be white, black, grey, gray or \"#rrggbb\""),
        ("data.background=#fff", "data.background = '#fff': must be white, black, grey, gray or \"#rrggbb\""),
        ("data.flip=1", "data.flip = 1: expected true or false"),
        ("data.flip=True", "data.flip = 'True': expected true or false"),
        ("data.crop=0.51", "data.crop = 0.51: must be in 0..0.5"),
        ("data.crop=-0.1", "data.crop = -0.1: must be in 0..0.5"),
        ("data.domain_aug=1.5", "data.domain_aug = 1.5: must be in 0..1"),
        ("data.workers=-1", "data.workers = -1: must be >= 0"),
        ("data.workers=1.5", "data.workers = 1.5: expected an integer"),
        ("training.images=-1", "training.images = -1: must be >= 0 (0: no limit)"),
        ("training.images=1e6", "training.images = 1000000.0: expected an integer"),
        ("training.minutes=-1", "training.minutes = -1.0: must be >= 0 (0: no limit)"),
        ("training.lr=0", "training.lr = 0.0: must be > 0"),
        ("training.lr=true", "training.lr = True: expected a number"),
        ("training.lr=nan", "training.lr = nan: expected a number"),
        ("training.lr=inf", "training.lr = inf: expected a number"),
        ("training.lr=.5", "training.lr = '.5': expected a number"),
        ("training.lr=1979-05-27", "training.lr = datetime.date(1979, 5, 27): expected a number"),
        ("training.warmup_images=-1", "training.warmup_images = -1: must be >= 0"),
        ("training.betas=0.5", "training.betas = 0.5: expected a list of 2, each a number"),
        ("training.betas=[0.5]", "training.betas = [0.5]: expected a list of 2, each a number"),
        ("training.betas=[0.5, 'x']", "training.betas = [0.5, 'x']: expected a list of 2, each a number"),
        ("training.betas=[0.5, 1]", "training.betas = (0.5, 1.0): must be in [0, 1)"),
        ("training.clip=-1", "training.clip = -1.0: must be >= 0 (0: no limit)"),
        ("training.ema=1", "training.ema = 1.0: must be in [0, 1)"),
        ("training.ema=-0.1", "training.ema = -0.1: must be in [0, 1)"),
        ("training.precision=fp8", "training.precision = 'fp8': expected one of auto, fp32, bf16, fp16"),
        ("training.seed=-1", "training.seed = -1: must be >= 0"),
        (f"training.seed={1 << 63}", "training.seed = 9223372036854775808: expected an integer"),
        ("training.seed=0x" + "f" * 9999, "training.seed = a huge number: expected an integer"),
        ("training.lr=0x" + "f" * 9999, "training.lr = a huge number: expected a number"),
        ("training.log_every=0", "training.log_every = 0: must be >= 1"),
        ("training.save_minutes=0", "training.save_minutes = 0.0: must be > 0"),
        ("training.samples=-1", "training.samples = -1: must be >= 0"),
        ("training.lrr=1", "unknown key training.lrr: did you mean lr?"),
        (
            "data.name=x",
            "unknown key data.name: known: "
            "background, batch, crop, fit, flip, size, variants, warp, warp_until, workers",
        ),
        ("modle.x=1", "unknown section 'modle': did you mean model?"),
        ("name.x=1", "unknown section 'name': known: data, model, objective, training"),
        ("model.name=3", "model.name = 3: expected a string"),
        ("model.x={a = 1}", "model.x = {'a': 1}: expected a string, a number, true, false or a list of these"),
        ("model.x=[[1]]", "model.x = [[1]]: expected a string, a number, true, false or a list of these"),
        ("model.x=nan", "model.x = nan: expected a string, a number, true, false or a list of these"),
        ("lr=1", "'lr=1': expected section.key=value, such as training.lr=0.001"),
        ("training.lr", "'training.lr': expected section.key=value, such as training.lr=0.001"),
        ("", "'': expected section.key=value, such as training.lr=0.001"),
        ("model.a.b=1", "'model.a.b=1': expected section.key=value, such as training.lr=0.001"),
        ("model.x=1\ny=2", r"'model.x=1\ny=2': expected section.key=value, such as training.lr=0.001"),
        ("model.x=\udcff", r"'model.x=\udcff': expected section.key=value, such as training.lr=0.001"),
    ],
)
def test_an_override_that_cannot_be_is_refused(built_in: Path, override: str, message: str) -> None:
    assert error(load_recipe, "cars", [override]) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (NAMED + "x ==", "broken TOML: Invalid value (at line 5, column 4)"),
        (NAMED + NAMED, "broken TOML: Cannot declare ('model',) twice (at line 5, column 7)"),
        (NAMED.encode() + b"# caf\xe9", "broken TOML: not UTF-8 (at line 5)"),
        ("x = " + "[" * 50_000, "broken TOML: maximum recursion depth exceeded"),
        ("x = " + "9" * 5000, "broken TOML: Exceeds the limit"),
        ("#" * ((1 << 20) + 1), "too large for a recipe: more than 1 MiB"),
    ],
)
def test_a_file_that_is_no_toml_is_refused_with_its_path(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = written(tmp_path, text)
    assert error(load_recipe, path).startswith(f"{path}: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "model.name is missing: expected the name of the model"),
        ('[model]\nname = "conv"', "objective.name is missing: expected the name of the objective"),
        (NAMED + "[trainin]", "unknown section 'trainin': did you mean training?"),
        ("data = 3\n" + NAMED, "data = 3: expected a section [data]"),
        (NAMED + "[[data]]", "data = [{}]: expected a section [data]"),
        (NAMED + '"a b" = 1', "unknown key 'a b' in [objective]: a key is a name of letters, digits and _"),
        (NAMED + '[data]\n"a\\nb" = 1', r"unknown key 'a\nb' in [data]: a key is a name of letters, digits and _"),
        (
            NAMED + "é = 1".replace("é", '"é"'),
            "unknown key 'é' in [objective]: a key is a name of letters, digits and _",
        ),
        ('["a\\nb"]\n' + NAMED, r"unknown section 'a\nb': known: data, model, objective, training"),
        (NAMED + "[data]\nsize = '" + "x" * 9999 + "'", f"data.size = '{'x' * 12}...{'x' * 13}': expected an integer"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, text: str, message: str) -> None:
    assert error(load_recipe, written(tmp_path, text)) == message


def test_a_recipe_that_is_not_there_is_refused_with_the_nearest(built_in: Path) -> None:
    assert error(load_recipe, "carz") == "no recipe 'carz': did you mean cars?; a file's name ends in .toml"
    assert error(load_recipe, "../built-in/cars").startswith("no recipe '../built-in/cars': ")
    missing = built_in / "face.toml"
    assert error(load_recipe, missing) == f"{missing}: no such file; of the built-in recipes, did you mean faces?"
    os.mkfifo(built_in / "pipe.toml")
    assert "no such file" in error(load_recipe, built_in / "pipe.toml")
    assert error(load_recipe, "x" * 5000).startswith("no recipe 'xxx")
    with pytest.raises(UsageError, match="File name too long"):
        load_recipe("x" * 5000 + ".toml")


def test_no_damage_to_a_file_gives_anything_but_a_recipe_or_a_usage_error(tmp_path: Path) -> None:
    rng = random.Random(0)
    refused = 0
    for _ in range(300):
        data = bytearray(CARS.encode())
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(data))
            data[place : place + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 2)) or rng.choice([b'"', b"=", b"["])
        try:
            load_recipe(written(tmp_path, bytes(data)))
        except UsageError:
            refused += 1
    assert 100 < refused < 300


HOSTILE = ['"', "\\", "#", "\t\r\n", "\x00\x1f\x7f", "é\u2028😀", "'''", "", "true", "1"]


@pytest.mark.parametrize(
    "values",
    [
        {f"s{i}": text for i, text in enumerate(HOSTILE)},
        {"strings": HOSTILE},
        {"a": 1, "b": -1, "c": (1 << 63) - 1, "d": -(1 << 63), "e": True, "f": False, "g": [], "h": [True, 1, 1.0]},
        {f"f{i}": x for i, x in enumerate([0.1, 1.0, -0.0, 1e-5, 1e16, 1.7976931348623157e308, 5e-324, 1 / 3])},
    ],
)
def test_a_dumped_recipe_loads_as_itself(tmp_path: Path, values: dict[str, Any]) -> None:
    model = {"name": "conv", **values}
    recipe = Recipe("mine", Data(domain_aug=1 / 3), model, {"name": "split"}, Training(lr=1e-7, betas=(0.0, 1 / 3)))
    text = dump_recipe(recipe)
    tables = tomllib.loads(text)
    assert repr(tables["model"]) == repr(model)  # by repr, for -0.0 and 1.0
    assert tables["data"] == {key: value for key, value in asdict(recipe.data).items() if value is not None}
    assert tables["training"] == {**asdict(recipe.training), "betas": [0.0, 1 / 3]}
    again = load_recipe(written(tmp_path, text))
    assert again == recipe
    assert dump_recipe(again) == text


def test_a_resolved_recipe_with_tuples_and_nothings_still_dumps() -> None:
    recipe = Recipe(
        "mine", Data(workers=3), {"name": "conv", "widths": (1, 2), "groups": None}, {"name": "x"}, Training()
    )
    tables = tomllib.loads(dump_recipe(recipe))
    assert tables["model"] == {"name": "conv", "widths": [1, 2]}
    assert tables["data"]["workers"] == 3


def test_a_recipe_survives_json(built_in: Path) -> None:
    recipe = load_recipe("cars", ["training.lr=1e-7", "data.workers=2"])
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    assert Recipe.from_dict(recipe.to_dict()).name == "cars"
    d = recipe.to_dict()
    again = Recipe.from_dict(d)
    d["model"]["name"] = "other"
    assert again == recipe  # nothing shared
    nothings = load_recipe("cars")
    assert nothings.to_dict()["data"]["workers"] is None
    assert Recipe.from_dict(json.loads(json.dumps(nothings.to_dict()))) == nothings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": None}, "the recipe has no name"),
        ({"data": None}, "data = None: expected a section [data]"),
        ({"data": {"size": None}}, "data.size = None: expected an integer"),
        ({"extra": {}}, "unknown section 'extra': known: data, model, objective, training"),
        ({"model": {"name": None}}, "model.name = None: expected a string"),
        (
            {"model": {"name": "x", "y": {}}},
            "model.y = {}: expected a string, a number, true, false or a list of these",
        ),
        ({"training": {"lr": float("nan")}}, "training.lr = nan: expected a number"),
    ],
)
def test_json_is_checked_as_strictly_as_a_file(built_in: Path, change: dict[str, Any], message: str) -> None:
    assert error(Recipe.from_dict, {**load_recipe("cars").to_dict(), **change}) == message


def test_differences_are_listed_as_they_would_be_typed(built_in: Path) -> None:
    cars = load_recipe("cars")
    changes = ["training.lr=0.5", "data.fit=pad", "model.widths=[1]", "model.depth=2", "data.workers=2"]
    assert difference(cars, load_recipe("cars", changes)) == [
        'data.fit: "crop" -> "pad"',
        "data.workers: unset -> 2",
        "model.widths: [32, 64] -> [1]",
        "model.depth: unset -> 2",
        "training.lr: 2.0 -> 0.5",
    ]
    tuples = Recipe("other", cars.data, {"name": "conv", "widths": (32, 64)}, cars.objective, cars.training)
    assert difference(cars, tuples) == []
    assert difference(load_recipe("cars", ["model.depth=2"]), cars) == ["model.depth: 2 -> unset"]


@dataclass
class Split:
    """As an objective would be: one argument from the program, one that must be set, ranges of its own."""

    domains: int
    zdim: int
    alpha: float = 1.0
    widths: tuple[int, ...] = (1, 2)
    groups: list[str] | None = None
    scale: int | float = 1
    kind: Literal["a", 2] = "a"

    def __post_init__(self) -> None:
        if self.alpha <= 0:
            raise ValueError("alpha: must be > 0")
        if self.zdim % self.domains:
            raise ValueError("zdim must be divisible by the number of domains")


class Plain:
    """A class as torch has them, with an argument that no recipe can set."""

    def __init__(self, width: int = 3, *args: int, activation: type = int, loose=2.5, **rest: int) -> None:  # type: ignore[no-untyped-def]
        self.width, self.activation = width, activation


def test_bind_shows_every_knob_but_what_is_given() -> None:
    assert bind("objective", Split, {"name": "split", "zdim": 4}, given=["domains"]) == {
        "zdim": 4,
        "alpha": 1.0,
        "widths": (1, 2),
        "groups": None,
        "scale": 1,
        "kind": "a",
    }
    assert bind("model", Plain, {}) == {"width": 3, "activation": int, "loose": 2.5}
    assert bind("model", Plain, {"loose": [1, "x"]})["loose"] == [1, "x"]


@pytest.mark.parametrize(
    ("values", "key", "expected"),
    [
        ({"alpha": 2}, "alpha", 2.0),
        ({"widths": [4]}, "widths", (4,)),
        ({"widths": []}, "widths", ()),
        ({"groups": ["a", "b"]}, "groups", ["a", "b"]),
        ({"scale": 2}, "scale", 2),
        ({"scale": 2.0}, "scale", 2.0),
        ({"kind": 2}, "kind", 2),
    ],
)
def test_bind_turns_values_into_the_declared_type(values: dict[str, Any], key: str, expected: object) -> None:
    value = bind("objective", Split, {"zdim": 4, **values}, given=["domains"])[key]
    assert value == expected and type(value) is type(expected)


@pytest.mark.parametrize(
    ("target", "values", "message"),
    [
        (Split, {}, "objective.zdim is missing: expected an integer"),
        (
            Split,
            {"zdim": 4, "domains": 3},
            "unknown key objective.domains: known: alpha, groups, kind, scale, widths, zdim",
        ),
        (Split, {"zdim": 4, "alhpa": 3}, "unknown key objective.alhpa: did you mean alpha?"),
        (Split, {"zdim": True}, "objective.zdim = True: expected an integer"),
        (Split, {"zdim": 4, "widths": [1, 2.0]}, "objective.widths = [1, 2.0]: expected a list, each an integer"),
        (Split, {"zdim": 4, "widths": [True]}, "objective.widths = [True]: expected a list, each an integer"),
        (Split, {"zdim": 4, "groups": [1]}, "objective.groups = [1]: expected a list, each a string"),
        (Split, {"zdim": 4, "scale": "x"}, "objective.scale = 'x': expected an integer or a number"),
        (Split, {"zdim": 4, "kind": 2.0}, "objective.kind = 2.0: expected one of a, 2"),
        (Split, {"zdim": 4, "alpha": -1}, "objective.alpha = -1.0: must be > 0"),
        (Split, {"zdim": 3}, "[objective] zdim must be divisible by the number of domains"),
        (Plain, {"activation": "int"}, "objective.activation = 'int': expected no value: a recipe cannot set it"),
        (Plain, {"args": 1}, "unknown key objective.args: known: activation, loose, width"),
        (Plain, {"rest": 1}, "unknown key objective.rest: known: activation, loose, width"),
        (Plain, {"loose": {}}, "objective.loose = {}: expected a string, a number, true, false or a list of these"),
        (object, {"x": 1}, "unknown key objective.x: it has no settings"),
    ],
)
def test_build_refuses_what_the_target_does_not_take(target: Any, values: dict[str, Any], message: str) -> None:
    given = {"domains": 2} if target is Split else {}
    assert error(build, "objective", target, values, **given) == message


def test_build_makes_the_object() -> None:
    assert build("objective", Split, {"name": "split", "zdim": 4, "alpha": 2}, domains=2) == Split(2, 4, 2.0)


@pytest.mark.parametrize(
    ("background", "rgb"), [("white", (255, 255, 255)), ("grey", (128, 128, 128)), ("#01FFa0", (1, 255, 160))]
)
def test_a_background_is_a_colour(background: str, rgb: tuple[int, int, int]) -> None:
    assert Data(background=background).background_rgb == rgb


def test_training_must_end() -> None:
    assert error(Training().require_end) == (
        "training would never end: set training.images or training.minutes above 0"
    )
    Training(images=1).require_end()
    Training(minutes=0.5).require_end()


def test_recipes_are_there_without_torch() -> None:
    code = "import sys, sivae_translate.recipe; print({'torch', 'numpy', 'PIL'} & set(sys.modules))"
    root = str(Path(module.__file__).parents[1])
    ran = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
