"""What the page computes: the pictures of one upload, between two references, and in a zip file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sivae_translate.errors import UsageError
from sivae_translate.inference.threshold import Threshold
from sivae_translate.inference.translator import Translator
from sivae_translate.web import archive
from sivae_translate.web.archive import distinct, translate_files
from sivae_translate.web.translation import Style, doubt, path_between, targets_of, translations

HOME = "car000"


@pytest.fixture
def views(cars: Path) -> list[Path]:
    return sorted((cars / "unseen/car003").iterdir())


def same(a: Image.Image, b: Image.Image) -> bool:
    return bool(np.abs(np.asarray(a).astype(int) - np.asarray(b)).max() <= 1)  # a step of 8 bits


def test_full_strength_is_the_translators_translation(translator: Translator, views: list[Path]) -> None:
    found = translations(translator, views[0], Style((HOME, "car001")))
    assert [caption for _, caption in found] == ["input", HOME, "car001"]
    assert same(found[2][0], translator(views[0], to="car001"))
    (_, (picture, caption)) = translations(translator, views[0], Style(reference=views[9]))
    assert caption == "reference" and same(picture, translator(views[0], style=views[9]))


def test_strength_goes_from_the_own_style_to_the_target(translator: Translator, views: list[Path]) -> None:
    own, half, full = (
        translations(translator, views[0], Style((HOME,), strength=strength))[1][0] for strength in (0, 0.5, 1)
    )
    assert same(own, translator.reconstruct(views[0]))
    assert not same(own, full)
    code = translator.encode(views[0])
    assert code.style is not None
    middle = translator.restyle(code.content, (code.style[0] + translator.style_of(to=HOME)) / 2)
    assert same(half, translator.to_pictures(middle)[0])


def test_a_seed_gives_the_same_random_styles_again(translator: Translator, views: list[Path]) -> None:
    style = Style((HOME, "car002"), count=2, seed=5)
    found, again, other = (translations(translator, views[0], s) for s in (style, style, replace(style, seed=6)))
    assert [caption for _, caption in found] == ["input", "car000 #1", "car000 #2", "car002 #1", "car002 #2"]
    assert all(same(a, b) for (a, _), (b, _) in zip(found, again, strict=True))
    assert not same(found[1][0], found[2][0]) and not same(found[1][0], other[1][0])


def test_the_path_between_references_has_their_styles_as_ends(translator: Translator, views: list[Path]) -> None:
    found = path_between(translator, views[0], views[5], views[9], 5)
    assert [caption for _, caption in found] == ["0%", "25%", "50%", "75%", "100%"]
    assert same(found[0][0], translator(views[0], style=views[5]))
    assert same(found[4][0], translator(views[0], style=views[9]))
    assert not same(found[0][0], found[2][0]) and not same(found[2][0], found[4][0])


@pytest.mark.parametrize(
    ("style", "part"),
    [
        (Style(), "no domain"),
        (Style(("car01",)), "car001"),
        (Style((HOME,), count=0), "styles was 0"),
        (Style((HOME,), count=49), "49 translations"),
        (Style((HOME,), strength=1.01), "strength was 1.01"),
        (Style((HOME,), strength=float("nan")), "strength was nan"),
        (Style((HOME,), strength="1"), "strength was '1'"),  # type: ignore[arg-type]  # from the browser's JSON
        (Style((HOME,), count=2, seed=2**63), "seed was"),
    ],
)
def test_an_impossible_style_is_an_error(translator: Translator, style: Style, part: str) -> None:
    with pytest.raises(UsageError, match=part):
        targets_of(translator, style)


def test_an_unreadable_upload_is_named_without_its_folder(
    translator: Translator, views: list[Path], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.png"
    bad.write_text("no image")
    calls: list[Callable[[], object]] = [
        lambda: translations(translator, bad, Style((HOME,))),
        lambda: translations(translator, views[0], Style(reference=bad)),
        lambda: path_between(translator, views[0], bad, views[1], 3),
        lambda: translate_files(translator, None, [bad], Style((HOME,)), tmp_path / "out.zip"),
    ]
    for call in calls:
        with pytest.raises(UsageError, match=r"bad\.png.*not an image") as error:
            call()
        assert str(tmp_path) not in str(error.value)


@pytest.mark.parametrize("steps", [1, 25])
def test_a_number_of_steps_out_of_range_is_an_error(translator: Translator, views: list[Path], steps: int) -> None:
    with pytest.raises(UsageError, match=f"steps was {steps}"):
        path_between(translator, *views[:3], steps)


def threshold_at(bound: float) -> Threshold:
    return Threshold(bound, share=0.95, images=9, samples=2, seed=0, beta=0.01, weights="")


def test_a_picture_below_the_threshold_is_doubted(translator: Translator, views: list[Path]) -> None:
    x = translator.prepare(
        [views[0], Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8))]
    )
    bounds = translator.score(x, 2, beta=0.01).bound
    assert bounds[0] > bounds[1]
    like, unlike = doubt(translator, threshold_at(float(bounds.mean())), x)
    assert like is None and unlike is not None and "threshold" in unlike
    assert doubt(translator, None, x) == [None, None]


# --- many files -----------------------------------------------------------------------------------------------------


def test_many_files_become_one_zip(translator: Translator, views: list[Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_text("no image")
    seen = list[tuple[int, int]]()
    style = Style((HOME, "car001"), strength=0.5)
    summary = translate_files(
        translator, threshold_at(1e9), [views[0], bad, views[1]], style, tmp_path / "out.zip", lambda *n: seen.append(n)
    )
    assert summary.written == 4 and summary.left_out == ["bad.png: not an image (text)"]
    assert [each.split(":")[0] for each in summary.doubtful] == [views[0].name, views[1].name]
    assert seen[-1] == (3, 3)
    with zipfile.ZipFile(tmp_path / "out.zip") as file:
        names = {f"{domain}/{view.name}" for domain in style.domains for view in views[:2]}
        assert set(file.namelist()) == names
        for view in views[:2]:
            _, (first, _), _ = translations(translator, view, style)
            assert same(Image.open(io.BytesIO(file.read(f"{HOME}/{view.name}"))), first)


def test_many_styles_pass_in_small_batches(
    translator: Translator, views: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, restyled = list[int](), archive.restyled

    def counted(translator: Translator, x: torch.Tensor, targets: list[object], strength: float) -> torch.Tensor:
        sizes.append(len(x) * len(targets))
        return restyled(translator, x, targets, strength)  # type: ignore[arg-type]

    monkeypatch.setattr(archive, "restyled", counted)
    summary = translate_files(translator, None, views[:9], Style((HOME,), count=8), tmp_path / "out.zip")
    assert summary.written == 72 and sizes == [32, 32, 8]


def test_equal_names_stay_apart(tmp_path: Path) -> None:
    paths = [tmp_path / folder / name for folder in "ab" for name in ("x.png", "X.png", "y.jpg", "x-2.png")]
    names = distinct(paths)
    assert names[:3] == ["x.png", "X-2.png", "y.jpg.png"]
    assert len({name.casefold() for name in names}) == len(paths)


@pytest.mark.parametrize("count", [0, archive.MAX_FILES + 1])
def test_no_file_and_too_many_are_errors(translator: Translator, tmp_path: Path, count: int) -> None:
    with pytest.raises(UsageError, match=f"{count} files"):
        translate_files(translator, None, [tmp_path / "a.png"] * count, Style((HOME,)), tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()
