"""Recipes: values that a file or an override sets, expected errors, choices, and lossless writing."""

from __future__ import annotations

import os
import random
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import sivae_translate
from sivae_translate import recipe as module
from sivae_translate.errors import UsageError
from sivae_translate.recipe import (
    Data,
    Recipe,
    Training,
    choose_recipe,
    difference,
    dump_recipe,
    load_recipe,
    recipe_choices,
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
    assert message.isprintable() and len(message) < 400  # one line for any input
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


def test_a_file_is_named_after_itself_and_may_be_written_by_notepad(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xef\xbb\xbf" + NAMED.replace("\n", "\r\n").encode())
    assert load_recipe(path) == load_recipe(str(path))
    assert load_recipe(path).name == "mine"


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("data.size=128", "data", "size", 128),
        ("data.size = 128", "data", "size", 128),
        ('data.augment=[{name="flip"}]', "data", "augment", ({"name": "flip"},)),
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
    ("key", "values"),
    [
        ("data.size", ["big", "64.5", "true", "100", "8"]),
        ("data.batch", ["-2", "7"]),
        ("data.fit", ["squash"]),
        ("data.background", ["pink", "#fff", "3"]),
        ("data.white", ["-1", "nan", "inf", "bright"]),
        ("data.augment", ["1", "true"]),
        ("data.domain_aug", ["1.5", "-0.1"]),
        ("data.encoder_warp", ["0.51", "-0.1"]),
        ("data.workers", ["-1", "1.5"]),
        ("training.images", ["-1", "1e6"]),
        ("training.minutes", ["-1"]),
        ("training.lr", ["0", "true", "nan", "inf", ".5", "1979-05-27", "0x" + "f" * 9999]),
        ("training.warmup_images", ["-1"]),
        ("training.betas", ["0.5", "[0.5]", "[0.5, 'x']", "[0.5, 1]", "[0.1, 0.2, 0.3]"]),
        ("training.clip", ["-1"]),
        ("training.ema", ["1", "-0.1"]),
        ("training.precision", ["fp8"]),
        ("training.seed", ["-1", f"{1 << 32}", "0x" + "f" * 9999]),
        ("training.log_every", ["0"]),
        ("training.save_minutes", ["0"]),
        ("training.samples", ["-1"]),
        ("model.name", ["3"]),
    ],
)
def test_a_value_of_another_type_or_out_of_range_is_an_error(built_in: Path, key: str, values: list[str]) -> None:
    for value in values:
        assert error(load_recipe, "cars", [f"{key}={value}"]).startswith(f"{key} = ")


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ('data.augment=[{name="crop", keep=2}]', ["data.augment[0].keep = 2", "0.1", "1"]),
        ("data.fit=squash", ["data.fit = 'squash'", "'crop'", "'pad'", "'stretch'"]),
        ("data.background=pink", ["data.background = 'pink'", "white", "black", "grey", "#rrggbb"]),
        ("training.betas=[0.5, 1]", ["training.betas = [0.5, 1]"]),
        ("training.lrr=1", ["training.lrr", "lr"]),
        ("modle.x=1", ["'modle'", "model"]),
        ("name.x=1", ["'name'", "data, model, objective, training"]),
        ("lr=1", ["'lr=1'", "section.key=value"]),
        ("training.lr", ["'training.lr'", "section.key=value"]),
        ("", ["''", "section.key=value"]),
        ("model.a.b=1", ["'model.a.b=1'", "section.key=value"]),
        ("model.x=1\ny=2", [r"'model.x=1\ny=2'", "section.key=value"]),
        ("model.x=\udcff", [r"'model.x=\udcff'", "section.key=value"]),
    ],
)
def test_an_error_has_the_key_the_value_and_the_known_ones(built_in: Path, override: str, parts: list[str]) -> None:
    message = error(load_recipe, "cars", [override])
    assert all(part in message for part in parts), message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("data.variants", "data.domain_aug"), ("data.warp", "data.encoder_warp"),
        ("data.warp_until", "data.encoder_warp"), ("model.grid", "model.content_stride"),
        ("objective.warmup", "objective.vae_fraction"), ("objective.share", "objective.fake_fraction"),
        ("objective.back", "objective.back_translation"), ("objective.beta_features", "objective.feature_matching"),
        ("objective.knee", "objective.feature_matching"),
    ],
)  # fmt: skip
def test_the_error_of_an_old_key_has_the_new_one(built_in: Path, old: str, new: str) -> None:
    message = error(load_recipe, "cars", [f"{old}=1"])
    assert old in message and new in message
    section, key = old.split(".")
    assert error(load_recipe, written(built_in, CARS.replace(f"[{section}]\n", f"[{section}]\n{key} = 1\n"))) == message


@pytest.mark.parametrize(("old", "new"), [("style-128", "objects-128"), ("style-256", "objects-256")])
def test_the_error_of_an_old_recipe_has_the_new_one(old: str, new: str) -> None:
    message = error(load_recipe, old)
    assert old in message and new in message and load_recipe(new)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (NAMED + "x ==", "line 5, column 4"),
        (NAMED + NAMED, "line 5, column 7"),
        (NAMED.encode() + b"# caf\xe9", "line 5"),
        ("x = " + "[" * 50_000, ""),
        ("x = " + "9" * 5000, ""),
        ("#" * ((1 << 20) + 1), "1 MiB"),
    ],
)
def test_the_error_of_a_file_that_is_no_toml_has_its_path_and_line(
    tmp_path: Path, text: str | bytes, place: str
) -> None:
    path = written(tmp_path, text)
    message = error(load_recipe, path)
    assert message.startswith(str(path)) and place in message


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["model.name"]),
        ('[model]\nname = "conv"', ["objective.name"]),
        (NAMED + "[trainin]", ["'trainin'", "training"]),
        ("data = 3\n" + NAMED, ["data = 3", "[data]"]),
        (NAMED + "[[data]]", ["data = [{}]", "[data]"]),
        (NAMED + '"a b" = 1', ["'a b'", "[objective]"]),
        (NAMED + '[data]\n"a\\nb" = 1', [r"'a\nb'", "[data]"]),
        (NAMED + '"é" = 1', ["'é'", "[objective]"]),
        ('["a\\nb"]\n' + NAMED, [r"'a\nb'", "data, model, objective, training"]),
        ("[choose]\nrecipe = 'cars'", ["choose.otherwise"]),
        ("[choose]\nrecipe = 'a'\notherwise = 'b'\nmin_domain = 3", ["choose.min_domain", "min_domains"]),
    ],
)
def test_the_error_of_a_file_that_is_no_recipe_has_the_key(tmp_path: Path, text: str, parts: list[str]) -> None:
    message = error(load_recipe, written(tmp_path, text))
    assert all(part in message for part in parts), message


def test_the_error_of_a_missing_recipe_has_its_name_and_the_nearest(built_in: Path) -> None:
    assert re.search("'carz'.*cars", error(load_recipe, "carz"))
    assert "'../built-in/cars'" in error(load_recipe, "../built-in/cars")
    missing, pipe = built_in / "face.toml", built_in / "pipe.toml"
    message = error(load_recipe, missing)
    assert str(missing) in message and "faces" in message
    os.mkfifo(pipe)
    assert str(pipe) in error(load_recipe, pipe)
    assert "xxx" in error(load_recipe, "x" * 5000)
    with pytest.raises(UsageError, match="xxx"):
        load_recipe("x" * 5000 + ".toml")


def test_no_damage_to_a_file_gives_anything_but_a_recipe_or_a_usage_error(tmp_path: Path) -> None:
    rng = random.Random(0)
    errors = 0
    for _ in range(300):
        data = bytearray(CARS.encode())
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(data))
            data[place : place + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 2)) or rng.choice([b'"', b"=", b"["])
        try:
            load_recipe(written(tmp_path, bytes(data)))
        except UsageError:
            errors += 1
    assert 100 < errors < 300


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
    assert tables["data"] == recipe.data.model_dump(mode="json", exclude_none=True)
    assert tables["training"] == {**recipe.training.model_dump(), "betas": [0.0, 1 / 3]}
    again = load_recipe(written(tmp_path, text))
    assert again == recipe
    assert dump_recipe(again) == text


def test_a_setting_that_is_none_is_left_out(built_in: Path) -> None:
    assert "workers" not in dump_recipe(load_recipe("cars"))
    assert "workers = 3\n" in dump_recipe(load_recipe("cars", ["data.workers=3"]))


def test_a_recipe_object_is_overridden_by_texts_or_values_and_stays_itself(built_in: Path) -> None:
    cars = load_recipe("cars")
    changed = cars.override(["training.lr=1e-3", "model.depth=2"])
    assert changed == cars.override({"training.lr": 1e-3, "model.depth": 2})
    assert (changed.get("training.lr"), changed.get("model.depth"), changed.name) == (1e-3, 2, "cars")
    assert cars == load_recipe("cars") and cars.get("model.depth") is None
    assert error(cars.override, ["training.lr=0"]).startswith("training.lr = 0: ")


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
    assert difference(cars, Recipe("other", cars.data, cars.model, cars.objective, cars.training)) == []
    assert difference(load_recipe("cars", ["model.depth=2"]), cars) == ["model.depth: 2 -> unset"]


CHOICE = '[choose]\nrecipe = "cars"\notherwise = "faces"\nmin_domains = 2\nmax_domains = 3\n'


@pytest.mark.parametrize(
    ("domains", "expected"), [(0, "faces"), (1, "faces"), (2, "cars"), (3, "cars"), (4, "faces"), (1000, "faces")]
)
def test_a_recipe_is_chosen_by_the_number_of_domains(built_in: Path, domains: int, expected: str) -> None:
    rule = written(built_in, CHOICE, "rule.toml")
    name, reason = choose_recipe(rule, domains)
    assert name == expected and "2 to 3" in reason
    assert load_recipe(rule, ["data.size=16"], domains=domains) == load_recipe(expected, ["data.size=16"])
    assert load_recipe("rule", domains=domains).name == expected
    assert recipe_choices("rule") == ["cars", "faces"]


@pytest.mark.parametrize(
    ("domains", "filled", "expected"),
    [(2, True, "tiny"), (2, False, "cars"), (3, True, "tiny"), (4, True, "faces"), (0, True, "faces")],
)
def test_a_recipe_is_chosen_by_whether_images_fill_their_frame(
    built_in: Path, domains: int, filled: bool, expected: str
) -> None:
    rule = written(built_in, CHOICE + 'filled = "tiny"\n', "rule.toml")
    name, reason = choose_recipe(rule, domains, lambda: filled)
    assert name == expected and reason.startswith(f"{domains} domains" if domains else "no sub-folders")
    assert ("fill their frame" in reason) == (expected == "tiny") and ("even ground" in reason) == (expected == "cars")
    assert recipe_choices("rule") == ["cars", "tiny", "faces"]


def test_images_are_measured_only_where_they_decide(built_in: Path) -> None:
    rule = written(built_in, CHOICE + 'filled = "tiny"\n', "rule.toml")
    for name, domains in (("cars", 2), (rule, 4), (written(built_in, CHOICE, "two.toml"), 2)):
        choose_recipe(name, domains, lambda: pytest.fail("measured"))


def test_a_recipe_of_settings_chooses_nothing(built_in: Path) -> None:
    assert choose_recipe("cars", None) == ("cars", "") and recipe_choices("cars") == []
    assert load_recipe("cars", domains=2) == load_recipe("cars")


def test_a_choice_without_domains_asks_for_one_of_the_two_or_the_domains(built_in: Path) -> None:
    written(built_in, CHOICE, "rule.toml")
    message = error(load_recipe, "rule")
    assert all(part in message for part in ("cars", "faces", "domains="))


@pytest.mark.parametrize("beside", ["[data]\nsize = 32\n", NAMED])
def test_a_choice_stands_alone(tmp_path: Path, beside: str) -> None:
    assert "[choose]" in error(load_recipe, written(tmp_path, CHOICE + beside), domains=2)


@pytest.mark.parametrize(
    ("background", "rgb"), [("white", (255, 255, 255)), ("grey", (128, 128, 128)), ("#01FFa0", (1, 255, 160))]
)
def test_a_background_is_a_colour(background: str, rgb: tuple[int, int, int]) -> None:
    assert Data(background=background).background_rgb == rgb


def test_a_recipe_without_a_budget_is_an_error() -> None:
    message = error(Training().require_end)
    assert "training.images" in message and "training.minutes" in message
    Training(images=1).require_end()
    Training(minutes=0.5).require_end()
