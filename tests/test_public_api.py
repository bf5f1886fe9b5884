"""The public names: each is documented."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sivae_translate
from sivae_translate import Translator, evaluate, find_domains, load_recipe, read_pairs, train, translate_folder
from sivae_translate.data.images import Frame
from sivae_translate.inference.direction import load_direction, save_direction
from sivae_translate.inference.files import reconstruct_folder
from sivae_translate.inference.threshold import load_threshold, save_threshold, threshold_of, weights_of
from sivae_translate.models.pretrained import build_model
from sivae_translate.recipe import dump_recipe

NAMES = [
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
TRANSLATOR = {
    "__call__", "add_domain", "contents", "decode", "edit", "encode", "from_pretrained", "interpolate", "prepare",
    "random_styles", "reconstruct", "restyle", "sample", "save_pretrained", "score", "style_of", "to", "to_pictures",
    "translate", "translate_picture",
}  # fmt: skip


def test_the_public_names_are_these() -> None:
    assert sorted(sivae_translate.__all__) == NAMES
    assert dir(sivae_translate) == NAMES


def test_every_public_name_says_what_it_is() -> None:
    for name in NAMES:
        assert inspect.getdoc(getattr(sivae_translate, name)), name


def test_what_a_translator_can_do() -> None:
    public = {name for name in dir(sivae_translate.Translator) if not name.startswith("_") or name == "__call__"}
    assert public == TRANSLATOR
    for name in public:
        assert inspect.getdoc(getattr(sivae_translate.Translator, name)), name


# --- what is printed ------------------------------------------------------------------------------------------------


def test_what_is_printed_says_what_a_value_holds(translator: Translator, cars: Path) -> None:
    views = sorted((cars / "unseen/car003").glob("*.png"))[:2]
    code, side = translator.encode(views), translator.model.content_shape[-1]
    shown = repr(translator)
    assert all(part in shown for part in ("style", "16 px", "3 domains: car000, car001, car002", "cpu"))
    assert (f"{side} x {side}" in shown) == (side > 1)
    assert str(list(code.content.shape)) in repr(code) and "style [2, " in repr(code) and "noise" not in repr(code)
    assert "of 2" in repr(translator.score(views)) and "bound" in repr(translator.score(views))
    recipe = repr(load_recipe("tiny", ["training.images=1000"]))
    assert all(part in recipe for part in ("tiny", "style", "soft-introvae", "32 px", "1,000 images"))
    domains = repr(find_domains(cars / "train"))
    assert all(part in domains for part in (str(cars / "train"), "images of 3", "car000 ("))
    for text in (shown, repr(code), recipe, domains):
        assert len(text) < 200 and "\n" not in text


def test_many_domains_are_not_all_printed(cars: Path) -> None:
    settings = {"name": "conv", "width": 16, "max_width": 32}
    model = build_model(settings, tuple(f"d{i}" for i in range(200)), 16)
    shown = repr(Translator(model, settings, Frame(16, "crop", (255, 255, 255))))
    assert "200 domains: d0, d1, d2, ...>" in shown and "single latent" in shown


# --- paths ----------------------------------------------------------------------------------------------------------

Call = Callable[[Translator, Path, Path, Callable[[Path], "str | Path"]], Any]
PATHS: dict[str, Call] = {
    "call": lambda t, cars, out, p: t(p(cars / VIEW), style=p(cars / VIEW)).tobytes(),
    "from_pretrained": lambda t, cars, out, p: [t.save_pretrained(p(out)), repr(Translator.from_pretrained(p(out)))],
    "find_domains": lambda t, cars, out, p: find_domains(p(cars / "train")),
    "several domains": lambda t, cars, out, p: find_domains([p(cars / "train"), p(cars / "unseen")]),
    "load_recipe": lambda t, cars, out, p: load_recipe(p(written(out, dump_recipe(load_recipe("tiny"))))),
    "read_pairs": lambda t, cars, out, p: read_pairs(p(cars / "pairs_unseen.csv"), p(cars)),
    "translate_folder": lambda t, cars, out, p: (
        translate_folder(t, p(cars / VIEW), p(out), style=p(cars / VIEW)).written
    ),
    "several sources": lambda t, cars, out, p: (
        translate_folder(t, [p(cars / VIEW), p(cars / "pairs_unseen.csv")], p(out), to="car001").written
    ),
    "evaluate": lambda t, cars, out, p: evaluate(t, out=p(out), pairs=p(few(cars, out)), root=p(cars))["metrics"][
        "psnr"
    ]["value"],
    "train": lambda t, cars, out, p: Path(
        train(p(cars / "train"), "tiny", p(out), set=SMALL, device="cpu")
    ).relative_to(out),
    "threshold": lambda t, cars, out, p: [
        t.save_pretrained(out),
        save_threshold(p(out), threshold_of(weights_of(p(out)), [1.0], 1, samples=1, seed=0, beta=0.1)).name,
        load_threshold(p(out)).bound,
    ],
    "direction": lambda t, cars, out, p: [
        t.save_pretrained(out),
        save_direction(p(out / "d.safetensors"), t.encode(cars / VIEW), p(out), weights_of(out)),
        repr(load_direction(p(out / "d.safetensors"), p(out))),
    ],
    "reconstruct_folder": lambda t, cars, out, p: reconstruct_folder(t, p(cars / VIEW), p(out), inversion_steps=0),
}
VIEW = "unseen/car003/el0_az00.png"
SMALL = ["data.size=16", "model.width=16", "model.max_width=32", "training.minutes=0", "training.images=16"]


def written(out: Path, text: str) -> Path:
    out.mkdir()
    (out / "my.toml").write_text(text)
    return out / "my.toml"


def few(cars: Path, out: Path) -> Path:
    """The first two pairs."""
    file = out.with_name(f"{out.name}.csv")
    file.write_text("".join((cars / "pairs_unseen.csv").read_text().splitlines(keepends=True)[:3]))
    return file


@pytest.mark.parametrize("name", PATHS)
def test_a_text_and_a_path_give_the_same(translator: Translator, cars: Path, tmp_path: Path, name: str) -> None:
    as_text, as_path = (PATHS[name](translator, cars, tmp_path / kind.__name__, kind) for kind in (str, Path))
    assert repr(as_text).replace("/str", "/Path") == repr(as_path).replace("/str", "/Path")


def test_no_public_argument_takes_a_path_and_no_text() -> None:
    """Every front-door function, and every method of a translator."""
    public = [getattr(sivae_translate, name) for name in NAMES]
    for function in [*filter(inspect.isfunction, public), *(getattr(Translator, name) for name in TRANSLATOR)]:
        for parameter in inspect.signature(function).parameters.values():
            assert "Path" not in str(parameter.annotation) or "str" in str(parameter.annotation), (function, parameter)


# --- the reference --------------------------------------------------------------------------------------------------

REFERENCE = (Path(__file__).parent.parent / "docs/api.md").read_text()


def as_documented(name: str, function: Any) -> str:
    """`name(a, b=1, *, c=2)`, without `self` and types."""
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in parameters]
    return f"`{name}{inspect.Signature(bare)}`"


def test_the_reference_has_every_public_name_with_its_arguments() -> None:
    for name in NAMES:
        assert f"`{name}`" in REFERENCE or as_documented(name, getattr(sivae_translate, name)) in REFERENCE, name
    for name in TRANSLATOR:
        assert as_documented(name, getattr(sivae_translate.Translator, name)) in REFERENCE, name


def test_the_reference_names_every_room() -> None:
    rooms = {path.parent.name for path in Path(sivae_translate.__file__).parent.glob("*/__init__.py")} - {"cli"}
    assert {room for room in rooms if f"| `{room}` |" not in REFERENCE} == set()
