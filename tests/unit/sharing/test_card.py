"""The model card: whole, with the run's recipe, data and figures, and no markup of others."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from PIL import Image

from sivae_translate import model_card
from sivae_translate.inference.translator import Translator
from sivae_translate.sharing.origin import origin_of

METRICS = {
    "psnr": {
        "value": 21.5,
        "n": 20,
        "baselines": {"copy_content": 15.2, "copy_style": 13.4},
        "details": {},
        "each": [],
    },
}


def report_of(folder: Path, model: Path) -> Path:
    """A report as `evaluate` writes it, with pictures."""
    folder.mkdir()
    report = {
        "made_by": "sivae-translate", "kind": "evaluate", "model": str(model), "size": 16, "pairs": {"n": 20},
        "domains": None, "metrics": METRICS, "left_out": {"/home/me/secret.png": "damaged"}, "notes": [],
    }  # fmt: skip
    (folder / "report.json").write_text(json.dumps(report))
    for name in ("pairs.png", "worst.png", "secret.png"):
        Image.new("RGB", (4, 4)).save(folder / name)
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "run")
    return tmp_path / "run"


def head(card: str) -> dict[str, object]:
    metadata: dict[str, object] = yaml.safe_load(card.split("---\n")[1])
    return metadata


def test_a_card_has_pictures_figures_data_recipe_licence_and_usage(run: Path, tmp_path: Path) -> None:
    report = report_of(tmp_path / "report", run)
    card = model_card(
        run, "me/cars", license="CC-BY-4.0", out=tmp_path / "out", report=report, data="Drawn by *myself*."
    )
    text = card.read_text()
    assert head(text)["license"] == "cc-by-4.0" and head(text)["pipeline_tag"] == "image-to-image"
    assert "sivae-translate" in str(head(text)["tags"])
    for part in (
        "# cars", "16 x 16 pixels", "3 domains", "car000, car001, car002", "Drawn by *myself*.",
        "training images in all",
        "| PSNR, dB | higher | 20 | 21.50 | 15.20 | 13.40 |", "copy of content", 'name = "style"', "400 images",
        "--to car001 --model me/cars", 'from_pretrained("me/cars")', "safetensors",
    ):  # fmt: skip
        assert part in text, part
    assert "{{" not in text and "secret" not in text and str(tmp_path) not in text
    pictures = {path.name for path in (tmp_path / "out/pictures").iterdir()}
    assert pictures == {"samples.png", "pairs.png"} and all(f"(pictures/{name})" in text for name in pictures)
    uploaded = {path.name for path in (tmp_path / "out").iterdir()}
    assert uploaded == {"README.md", "config.json", "model.safetensors", "manifest.json", "pictures"}
    table = text.split("**20 pairs at 16 px**\n\n")[1].split("\n\n")[0].splitlines()
    assert len({line.count("|") for line in table}) == 1


def test_without_a_description_the_card_asks_for_one(run: Path, tmp_path: Path) -> None:
    text = model_card(run, "me/cars", license="mit", out=tmp_path / "out").read_text()
    assert "where they are from" in text and "No figures were measured" in text


def test_names_of_domains_are_no_markup(untrained: Callable[..., Path], tmp_path: Path) -> None:
    bad = ["</h1><script>x<", "a|b", "[x](y)", "```\n# x", "'; rm -rf ~"]
    bad = [name.replace("/", "\\") for name in bad]  # a name of a folder has no slash
    text = model_card(untrained("style", *bad), "me/cars", license="mit", out=tmp_path / "out").read_text()
    outside = "".join(text.split("```")[::2])
    assert not any(part in outside for part in ("<script", "a|b", "[x](y)", "\n# x"))
    assert text.count("\n```") == 4 and "&#60;script&#62;" in outside  # two blocks, as there is no recipe
    assert "--to 'a|b' " in text and "to='a|b'" in text


def test_a_model_with_a_single_latent_samples(untrained: Callable[..., Path], tmp_path: Path) -> None:
    text = model_card(untrained("conv", "a"), "me/conv", license="mit", out=tmp_path / "out").read_text()
    assert "sivae-translate sample --model me/conv" in text and "cannot translate" in text.replace("\n", " ")


def test_a_translator_needs_no_folder(translator: Translator, tmp_path: Path) -> None:
    text = model_card(translator, "me/cars", license="mit", out=tmp_path / "out").read_text()
    assert "## Recipe" not in text and "car002" in text


def test_a_report_beside_the_run_counts_if_it_is_newer_and_on_this_model(run: Path, tmp_path: Path) -> None:
    assert origin_of(run).report is None
    report_of(run / "elsewhere", tmp_path / "another")
    assert origin_of(run).report is None
    folder = report_of(tmp_path / "evaluation", run)
    assert origin_of(run).report == run / "../evaluation" and origin_of(run).tables[0].rows[0][3] == "21.50"
    text = model_card(run, "me/cars", license="mit", out=tmp_path / "out").read_text()
    assert "21.50" in text and "pairs.png" not in text  # pictures of images only where the report was named
    os.utime(folder / "report.json", (1, 1))
    assert origin_of(run).report is None
