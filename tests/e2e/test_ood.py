"""Out-of-distribution detection, end to end: the report on two sets, a stored threshold, rejected inputs."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_output import expect_error, numbers
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from sivae_translate.evaluation import detection
from sivae_translate.inference.threshold import load_threshold
from sivae_translate.inference.translator import Translator


def rows(out: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


@dataclass(frozen=True)
class Place:
    """A copy of the trained model, images of an unseen car in `like`, and noise in `unlike`."""

    here: Path
    model: Path
    like: Path
    unlike: Path


@pytest.fixture
def place(cars: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    place = Place(tmp_path, tmp_path / "model", tmp_path / "like", tmp_path / "unlike")
    shutil.copytree(trained / "model", place.model)
    random = np.random.default_rng(0)
    for folder in (place.like, place.unlike):
        folder.mkdir()
    for i, path in enumerate(sorted((cars / "unseen/car003").glob("*.png"))[::4]):
        shutil.copy(path, place.like)
        noise = random.integers(0, 2, (16, 16, 3), np.uint8).repeat(2, 0).repeat(2, 1)
        Image.fromarray(255 * noise).save(place.unlike / f"{i}.png")
    return place


@pytest.fixture
def mixed(place: Place) -> Path:
    """A folder of two sub-folders, `like` and `unlike`."""
    for folder in (place.like, place.unlike):
        shutil.copytree(folder, place.here / "mixed" / folder.name)
    return place.here / "mixed"


# --- two sets -------------------------------------------------------------------------------------------------------


def test_two_sets_are_scored_separated_and_drawn(cli: Any, place: Place) -> None:
    out = place.here / "ood"
    result = cli("ood", place.model, "--in", place.like, "--out-of", place.unlike, "--out", out, "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert str(out) in result.stdout
    assert {path.name for path in out.iterdir()} == {"scores.csv", "report.json", "histogram.png"}
    assert min(Image.open(out / "histogram.png").size) > 500

    table = list(csv.DictReader((out / "scores.csv").open()))
    assert list(table[0]) == ["path", "set", "bound", "elbo", "kl", "rec"]
    assert Counter(row["set"] for row in table) == {"in": 24, "out": 24}
    assert {Path(row["path"]).parent for row in table if row["set"] == "out"} == {place.unlike}
    again = Translator.from_pretrained(place.model, device="cpu").score(table[7]["path"])
    report = json.loads((out / "report.json").read_text())
    positive = [row["set"] == "in" for row in table]
    for name, sign in {"bound": 1, "elbo": 1, "kl": -1, "rec": -1}.items():
        assert float(table[7][name]) == pytest.approx(getattr(again, name).item(), rel=1e-4)
        scores, figures = [sign * float(row[name]) for row in table], report["scores"][name]
        assert figures["sign"] == sign
        assert figures["auroc"] == pytest.approx(roc_auc_score(positive, scores), abs=1e-4)
        assert figures["aupr"] == pytest.approx(average_precision_score(positive, scores), abs=1e-4)
    assert report["scores"]["bound"]["auroc"] > 0.99 and report["scores"]["rec"]["auroc"] > 0.99
    assert {"n": {"in": 24, "out": 24}, "samples": 5, "seed": 0, "beta": 0.01}.items() <= report.items()
    assert report["chance"] == {"auroc": 0.5, "aupr": 0.5} and report["left_out"] == {}


def test_scores_follow_the_options_and_not_the_batch(cli: Any, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "histograms", lambda *_: None)

    def scores(*options: object) -> np.ndarray:
        arguments = ("--in", place.like, "--out-of", place.unlike, "--out", place.here / "ood", *options)
        assert cli("ood", place.model, *arguments).exit_code == 0
        table = csv.DictReader((place.here / "ood/scores.csv").open())
        return np.array([float(row["bound"]) for row in table])

    first = scores()
    np.testing.assert_allclose(scores("--batch", 5), first, rtol=1e-5)
    for option, value in (("--samples", 9), ("--seed", 1), ("--beta", 0.1)):
        assert abs(scores(option, value) - first).min() > 0.01
        assert json.loads((place.here / "ood/report.json").read_text())[option.strip("-")] == value


def test_unreadable_images_are_named_and_left_out(cli: Any, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "histograms", lambda *_: None)
    bad = place.like / os.fsdecode(b"b\xe9d.png")
    bad.write_text("no image")
    shutil.copy(place.like / "el0_az00.png", place.like / os.fsdecode(b"g\xe9d.png"))
    arguments = ("--in", place.like, "--out-of", place.unlike, "--out", place.here / "ood", "--batch", "4")
    result = cli("ood", place.model, *arguments)
    assert result.exit_code == 3 and str(bad.parent) in result.stderr
    report = json.loads((place.here / "ood/report.json").read_text())
    assert report["n"] == {"in": 25, "out": 24} and report["left_out"].keys() == {str(bad)}
    assert b"/g\xe9d.png,in," in (place.here / "ood/scores.csv").read_bytes()


def test_sets_of_one_image_give_a_report(cli: Any, place: Place) -> None:
    arguments = ("--in", place.like / "el0_az00.png", "--out-of", place.unlike / "0.png", "--out", place.here / "ood")
    assert cli("ood", place.model, *arguments).exit_code == 0
    figures = json.loads((place.here / "ood/report.json").read_text())["scores"]["bound"]
    assert figures["auroc"] == 1 and figures["auroc_interval"] is None


def test_a_spreadsheet_computes_no_path(cli: Any, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.here)
    monkeypatch.setattr(detection, "histograms", lambda *_: None)
    formula = place.here / "=1+1"
    shutil.copytree(place.like, formula)
    assert cli("ood", place.model, "--in", "=1+1", "--out-of", place.unlike, "--out", "ood").exit_code == 0
    paths = [row["path"] for row in csv.DictReader(Path("ood/scores.csv").read_text().splitlines())]
    assert all(not path.startswith("=") and Path(path).exists() for path in paths)


def test_pictures_that_are_not_read_are_named(cli: Any, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "histograms", lambda *_: None)
    photo, text = place.like / "photo.jxl", place.like / "notes.txt"
    photo.touch()
    text.touch()
    result = cli("ood", place.model, "--in", place.like, "--out-of", place.unlike, "--out", place.here / "ood")
    assert result.exit_code == 3 and str(photo) in result.stderr
    assert json.loads((place.here / "ood/report.json").read_text())["left_out"].keys() == {str(photo)}


# --- a threshold ----------------------------------------------------------------------------------------------------


def test_a_threshold_accepts_its_fraction_and_rejects_unlike_images(cli: Any, place: Place, mixed: Path) -> None:
    stored = cli("ood", place.model, "--in", place.like, "--set-threshold", "0.75")
    assert stored.exit_code == 0 and str(place.model / "ood.json") in stored.stdout
    assert not (place.here / "ood").exists()
    threshold = load_threshold(place.model)
    assert (threshold.share, threshold.images, threshold.samples, threshold.beta) == (0.75, 24, 5, 0.01)

    out = place.here / "out"
    arguments = ("run", mixed, "--model", place.model, "--out", out, "--reject-ood", "--batch", "7")
    result = cli(*arguments)
    assert result.exit_code == 0
    assert numbers(result.stdout) == [54, 90]  # 18 accepted, 6 + 24 rejected, to 3 domains each
    table = rows(out)
    assert Counter((row["status"], Path(row["input"]).parent.name) for row in table) == {
        ("ok", "like"): 54,
        ("rejected", "like"): 18,
        ("rejected", "unlike"): 72,
    }
    translator = Translator.from_pretrained(place.model, device="cpu")
    row = next(row for row in table if row["status"] == "rejected")
    bound = translator.score(row["input"]).bound.item()
    assert f"{bound:.2f}" in row["reason"] and f"{threshold.bound:.2f}" in row["reason"]
    assert row["output"] == "" and len(list(out.rglob("*.png"))) == 54

    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    again = cli(*arguments)
    assert again.exit_code == 0 and numbers(again.stdout) == [0, 144]
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.png")} == before and rows(out) == table

    for changed in (arguments[:6], (*arguments, "--style", place.like / "el0_az00.png")):
        expect_error(cli(*changed), 2, "--out")
    assert rows(out) == table


def test_every_image_may_be_rejected_and_none_failed(cli: Any, place: Place) -> None:
    assert cli("ood", place.model, "--in", place.like, "--set-threshold", "1").exit_code == 0
    kept, gone = place.here / "kept", place.here / "gone"
    result = cli("run", place.like, "--model", place.model, "--to", "car001", "--out", kept, "--reject-ood")
    assert numbers(result.stdout) == [24]  # the images that set the threshold
    (place.unlike / "bad.png").write_text("no image")
    arguments = ("run", place.unlike, "--model", place.model, "--to", "car001", "--out", gone, "--reject-ood")
    assert cli(*arguments).exit_code == 3  # of the unreadable one
    (place.unlike / "bad.png").unlink()
    result = cli(*arguments)
    assert result.exit_code == 0 and numbers(result.stdout)[0] == 0
    assert {row["status"] for row in rows(gone)} == {"rejected"}


def test_without_a_threshold_the_error_has_the_command_that_sets_one(cli: Any, place: Place) -> None:
    arguments = ("run", place.like, "--model", place.model, "--to", "car001", "--out", place.here / "out")
    result = cli(*arguments, "--reject-ood")
    expect_error(result, 2, place.model, "sivae-translate ood")
    assert not (place.here / "out").exists()
    command = result.stderr.split("sivae-translate ", 1)[1].split()
    assert cli(*[place.like if word == "FOLDER" else word for word in command]).exit_code == 0
    assert cli(*arguments, "--reject-ood").exit_code == 0


def test_a_threshold_goes_with_the_weights_it_was_set_on(cli: Any, place: Place) -> None:
    run = place.here / "run"
    run.mkdir()
    model = place.model.rename(run / "model")
    assert cli("ood", run, "--in", place.like, "--set-threshold", "0.9").exit_code == 0
    assert load_threshold(run) == load_threshold(model)
    kept = (model / "ood.json").read_text()

    translator = Translator.from_pretrained(run, device="cpu")
    with torch.no_grad():
        next(translator.model.parameters()).mul_(1.1)
    translator.save_pretrained(model)
    arguments = ("run", place.like, "--model", run, "--reject-ood")
    expect_error(cli(*arguments), 2, "sivae-translate ood")
    (model / "ood.json").write_text(kept)
    expect_error(cli(*arguments), 2, "ood.json", "--set-threshold")


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("", 1, "ood.json"),
        ("threshold", 1, "ood.json"),
        ("[1]", 1, "ood.json"),
        ("{}", 2, "bound"),
        ({"bound": "high"}, 2, "bound = 'high'"),
        ({"bound": float("nan")}, 2, "bound = nan"),
        ({"share": 2.0}, 2, "share = 2.0"),
        ({"samples": 0}, 2, "samples = 0"),
        ({"samples": 1.5}, 2, "samples = 1.5"),
        ({"beta": 0.0}, 2, "beta = 0.0"),
        ({"boundd": 1.0}, 2, "boundd"),
    ],
    ids=str,
)
def test_a_damaged_threshold_is_one_line_of_error(
    cli: Any, place: Place, text: str | dict[str, Any], code: int, part: str
) -> None:
    if isinstance(text, dict):
        assert cli("ood", place.model, "--in", place.like / "el0_az00.png", "--set-threshold", "1").exit_code == 0
        text = json.dumps(json.loads((place.model / "ood.json").read_text()) | text)
    (place.model / "ood.json").write_text(text)
    expect_error(cli("run", place.like, "--model", place.model, "--reject-ood"), code, "ood.json", part)
    plain = ("run", place.like / "el0_az00.png", "--model", place.model, "--to", "car000", "--out", place.here / "out")
    assert cli(*plain).exit_code == 0  # which has no use for it


# --- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", [("--samples", 0), ("--seed", -1), ("--set-threshold", 1.5)])
def test_numbers_out_of_range_are_errors(cli: Any, place: Place, option: tuple[str, float]) -> None:
    result = cli("ood", place.model, "--in", place.like, "--out-of", place.unlike, *option)
    assert result.exit_code == 2 and option[0] in result.stderr and "Traceback" not in result.output


@pytest.mark.parametrize(("package", "extra"), [("sklearn", "evaluation"), ("matplotlib", "plots")])
def test_a_missing_package_is_named_before_anything_is_scored(
    cli: Any, place: Place, monkeypatch: pytest.MonkeyPatch, package: str, extra: str
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with monkeypatch.context() as patch:
        patch.setattr(detection, "score_set", None)
        arguments = ("ood", place.model, "--in", place.like, "--out-of", place.unlike)
        expect_error(cli(*arguments), 2, package, f"pip install 'sivae-translate[{extra}]'")
    assert cli("ood", place.model, "--in", place.like, "--set-threshold", "0.9").exit_code == 0  # which does without
