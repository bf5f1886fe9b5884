"""`evaluate`, end to end: the report on pairs and on domains, the page, and errors."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_output import expect_error
from PIL import Image
from torch import Tensor, nn

from sivae_translate.evaluation import report
from sivae_translate.evaluation.domains import choose_images, encode_domains, translate_domain_pairs
from sivae_translate.evaluation.extractors import Extractor, load_reader
from sivae_translate.evaluation.metrics import METRICS
from sivae_translate.evaluation.pairs import read_pairs
from sivae_translate.evaluation.translation import Translation
from sivae_translate.evaluation.verdict import verdict
from sivae_translate.inference.translator import Translator

EXTRA = ("sklearn", "torchmetrics", "torch_fidelity")


@dataclass(frozen=True)
class Place:
    """A trained model, 60 pairs of two unseen cars, and every third training image of its three domains."""

    here: Path
    cars: Path
    trained: Path
    pairs: Path
    domains: Path

    def count(self) -> int:
        """The number of images in all domains."""
        return len(list(self.domains.rglob("*.png")))

    @property
    def on_pairs(self) -> tuple[object, ...]:
        return ("evaluate", self.trained, "--pairs", self.pairs, "--root", self.cars)

    @property
    def on_domains(self) -> tuple[object, ...]:
        return ("evaluate", self.trained, "--domains", self.domains)


@pytest.fixture
def place(cars: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    poses = [path.name for path in sorted((cars / "unseen/car003").glob("*.png"))]
    rows = [
        f"unseen/car003/{pose}.png,unseen/car004/{poses[0]},unseen/car004/{pose}.png".replace(".png.png", ".png")
        for pose in poses[::2]
    ]
    rows += [f"unseen/car004/{pose},unseen/car003/{poses[3]},unseen/car003/{pose}" for pose in poses[:12]]
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("\n".join(["content,style,target", *rows]) + "\n")
    domains = tmp_path / "real"
    for path in sorted((cars / "train").rglob("*.png"))[::3]:
        (domains / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, domains / path.parent.name / path.name)
    run = shutil.copytree(trained, tmp_path / "run")  # whose page gets the figures
    return Place(tmp_path, cars, run, pairs, domains)


def read(out: str | Path = "evaluation") -> Any:
    return json.loads((Path(out) / "report.json").read_text())


class Page(HTMLParser):
    """Links, tags and text of a page; tags must close."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links, self.open, self.tags, self.text = list[str](), list[str](), set[str](), ""
        self.feed(file.read_text(encoding="utf-8"))
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "img", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


# --- the report -----------------------------------------------------------------------------------------------------

KEYS = {"made_by", "kind",
    "model", "size", "seed", "inversion_steps", "style_correction", "extractor", "perceptual", "pairs", "domains",
    "metrics", "left_out", "notes",
}  # fmt: skip
BOTH = {
    "psnr", "ssim", "perceptual_random_vgg16", "top1_retrieval", "edge_agreement", "gradient_ratio", "kid_random_vgg16",
    "two_sample",
}  # fmt: skip
OF_DOMAINS = {
    "domain_pairs_accuracy", "domain_pairs_edge_agreement", "domain_pairs_kid_random_vgg16", "domain_from_content",
    "domain_from_sampled_content", "label_from_style", "label_from_sampled_style", "label_from_content",
    "diversity_random_vgg16",
}  # fmt: skip


def test_pairs_and_domains_make_one_report(cli: Any, place: Place) -> None:
    arguments = (*place.on_pairs, "--domains", place.domains, "--content-label", r"az(\d+)", "--device", "cpu")
    result = cli(*arguments)
    assert result.exit_code == 0, result.output
    found, out = read(), Path("evaluation")
    metrics, n = found["metrics"], place.count()
    pictures = {"pairs.png", "best.png", "median.png", "worst.png", "domain_pairs.png"}
    assert {path.name for path in out.iterdir()} == {
        *pictures, "outputs", "report.json", "index.html",
    }  # fmt: skip
    assert {path.name for path in (out / "outputs").iterdir()} == {f"{i:06d}.png" for i in range(60)}
    assert set(found) == KEYS and set(metrics) == BOTH | OF_DOMAINS
    facts = {"size": 16, "seed": 0, "inversion_steps": 0, "style_correction": 0, "extractor": "random-vgg16"}
    assert facts.items() <= found.items() and found["pairs"] == {"n": 60} and found["left_out"] == {}
    assert found["domains"]["n"] == sum(found["domains"]["counts"].values()) == n

    assert metrics["top1_retrieval"]["baselines"]["chance"] == pytest.approx((48 / 48 + 12 / 12) / 60, abs=1e-4)
    assert 0.3 < metrics["gradient_ratio"]["value"] < 4
    assert metrics["kid_random_vgg16"]["baselines"]["half_split"] < metrics["kid_random_vgg16"]["value"]
    assert metrics["two_sample"]["value"] > 0.7  # for so small a model
    for name in ("domain_from_content", "label_from_style", "label_from_content"):
        details = metrics[name]["details"]
        assert n - 4 < details["n_train"] + details["n_test"] <= n  # some labels do not recur
        assert details["labels"] == 3 if name.startswith("domain") else 15 < details["labels"] <= 24
        assert len(metrics[name]["each"]) == (2 if name.startswith("domain") else 4)
    kid = metrics["domain_pairs_kid_random_vgg16"]
    counts = found["domains"]["counts"]
    assert {part["name"] for part in kid["each"]} == {f"{a} to {b}" for a in counts for b in counts if a != b}
    assert kid["value"] == pytest.approx(np.mean([part["value"] for part in kid["each"]]), abs=1e-5)
    assert kid["n"] == 2 * n and kid["baselines"]["half_split"] < kid["baselines"]["copy_content"]
    assert metrics["domain_pairs_accuracy"]["baselines"]["copy_content"] < 0.3
    assert metrics["domain_pairs_accuracy"]["baselines"]["real"] > 0.5
    edges = metrics["domain_pairs_edge_agreement"]
    assert edges["n"] == 2 * n and max(edges["value"], edges["baselines"]["chance"]) < 0.9
    assert metrics["diversity_random_vgg16"]["n"] == 30 and metrics["diversity_random_vgg16"]["value"] > 0

    page = Page(out / "index.html")
    assert set(page.links) == pictures and not page.tags & {"script", "link", "iframe"}
    for text in (page.text, result.stdout):
        assert f"{metrics['psnr']['value']:.2f}" in text and str(n) in text
    assert "car000 to car002" in page.text
    assert all(METRICS[name].note in page.text for name in metrics)
    for finding in verdict(found):
        assert finding.text in page.text and finding.text in result.stdout


@pytest.mark.parametrize("folder", ["run", "run/model"])
def test_the_figures_are_on_the_page_of_the_run_too(cli: Any, place: Place, folder: str) -> None:
    result = cli("evaluate", place.here / folder, "--pairs", place.pairs, "--root", place.cars)
    assert result.exit_code == 0 and "on the page of the run" in result.stdout
    page = (place.here / "run/report.html").read_text()
    assert 'href="../evaluation/index.html"' in page
    assert f"{read()['metrics']['psnr']['value']:.2f}" in page


def test_a_model_without_a_run_has_no_page(cli: Any, place: Place) -> None:
    shutil.move(place.here / "run/model", place.here / "alone")
    result = cli("evaluate", place.here / "alone", "--pairs", place.pairs, "--root", place.cars)
    assert result.exit_code == 0 and "page of the run" not in result.stdout


def test_networks_of_random_weights_use_no_published_name(cli: Any, place: Place) -> None:
    result = cli(*place.on_pairs, "--domains", place.domains)
    shown = json.dumps([read()["metrics"], read()["extractor"], read()["perceptual"]]) + result.stdout
    assert "lpips" not in shown.lower() and "FID" not in shown
    assert "kid" not in shown.lower().replace("kid_random_vgg16", "").replace("kid (random vgg-16)", "")


def test_the_report_has_the_same_keys_for_pairs_and_for_domains(cli: Any, place: Place) -> None:
    assert cli(*place.on_pairs).exit_code == 0
    found = read()
    assert set(found) == KEYS and found["domains"] is None and set(found["metrics"]) == BOTH
    assert cli(*place.on_domains).exit_code == 0
    found = read()
    assert set(found) == KEYS and found["pairs"] is None and set(found["metrics"]) == OF_DOMAINS


def test_the_same_seed_gives_the_same_report_and_another_seed_does_not(cli: Any, place: Place) -> None:
    def figures(*options: object) -> Any:
        assert cli(*place.on_domains, *options).exit_code == 0
        return read()["metrics"]

    first = figures()
    assert figures() == first
    other = figures("--seed", 1)
    for name in ("domain_from_content", "diversity_random_vgg16"):
        assert other[name] != first[name]
    by_five = figures("--batch", 5)
    for name in ("domain_pairs_accuracy", "diversity_random_vgg16"):
        assert by_five[name]["value"] == pytest.approx(first[name]["value"], abs=1e-3)


def test_perfect_translations_score_the_ideal_values(cli: Any, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    translator = Translator.from_pretrained(place.trained, device="cpu")
    truths = {
        as_bytes(translator, pair["content"]) + as_bytes(translator, pair["style"]): pair["target"]
        for pair in read_pairs(place.pairs, place.cars)
    }

    def perfect(self: Translation, content: np.ndarray, style: np.ndarray) -> Tensor:
        targets = [truths[a.tobytes() + b.tobytes()] for a, b in zip(content, style, strict=True)]
        return (translator.prepare(targets) * 255).round().byte()

    monkeypatch.setattr(Translation, "to_references", perfect)
    assert cli(*place.on_pairs).exit_code == 0
    metrics = read()["metrics"]
    for name in ("psnr", "ssim", "perceptual_random_vgg16", "top1_retrieval", "gradient_ratio"):
        assert metrics[name]["value"] == METRICS[name].ideal, name
    edges = metrics["edge_agreement"]
    assert edges["value"] == edges["baselines"]["real"] > edges["baselines"]["copy_style"]
    assert metrics["two_sample"]["value"] == pytest.approx(0.5, abs=0.02)
    kid = metrics["kid_random_vgg16"]
    assert kid["value"] < abs(kid["baselines"]["half_split"]) + 3 * kid["details"]["std"]


def as_bytes(translator: Translator, path: Path) -> bytes:
    """An image's pixels in the translator's frame."""
    return (translator.prepare(path)[0] * 255).round().byte().permute(1, 2, 0).numpy().tobytes()


def test_domain_accuracy_of_real_images_of_the_target_is_high_and_of_untranslated_ones_low(
    cli: Any, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On pairs between the domains themselves, translated by copying the style image, which is of the target."""
    names = sorted(path.name for path in (place.cars / "train/car000").glob("*.png"))
    names = [name for name in names if (place.cars / "train/car001" / name).exists()][:30]
    rows = [f"train/car000/{name},train/car001/{names[-1 - i]},train/car001/{name}" for i, name in enumerate(names)]
    place.pairs.write_text("\n".join(["content,style,target", *rows]) + "\n")
    monkeypatch.setattr(
        Translation, "to_references", lambda self, content, style: torch.tensor(np.array(style)).permute(0, 3, 1, 2)
    )
    assert cli(*place.on_pairs, "--domains", place.domains).exit_code == 0
    found = read()["metrics"]["domain_accuracy"]
    assert found["n"] == len(names) and found["value"] > 0.8 > 0.2 > found["baselines"]["copy_content"]


def test_the_best_and_the_worst_pairs_are_drawn(cli: Any, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = list[list[int]]()

    def draw(pairs: Any, rows: Any) -> Any:
        drawn.append(list(rows))
        return Image.new("RGB", (1, 1))

    monkeypatch.setattr("sivae_translate.evaluation.pairs.draw_rows", draw)
    assert cli(*place.on_pairs).exit_code == 0
    scores = []
    for i, row in enumerate(csv.DictReader(place.pairs.open())):
        size = (16, 16)
        truth = Image.open(place.cars / row["target"]).convert("RGB").resize(size, Image.Resampling.BOX)
        output = Image.open(f"evaluation/outputs/{i:06d}.png")
        scores.append(-np.mean((np.asarray(truth, float) - np.asarray(output, float)) ** 2))
    order = np.argsort(-np.array(scores), kind="stable").tolist()
    assert drawn == [order[:6], order[27:33], order[-6:], list(range(12))]
    caption = f"PSNR from left to right: {10 * np.log10(-(255**2) / scores[order[0]]):.1f}, "
    assert caption in Page(Path("evaluation/index.html")).text


def test_inception_gives_fid_and_kid(cli: Any, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    class Means(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.float().mean((2, 3)) / 255

    monkeypatch.setattr(report, "load_reader", lambda file: Extractor("inception", Means()))
    result = cli(*place.on_pairs, "--domains", place.domains, "--inception", "weights.pth")
    assert result.exit_code == 0, result.output
    metrics = read()["metrics"]
    assert {"fid", "kid", "domain_pairs_fid", "domain_pairs_kid"} <= set(metrics)
    assert read()["extractor"] == metrics["two_sample"]["details"]["features"] == "inception"
    assert not any(name.endswith("kid_random_vgg16") for name in metrics)


def test_metrics_that_need_more_pairs_become_a_note(cli: Any, place: Place) -> None:
    place.pairs.write_text("\n".join(place.pairs.read_text().splitlines()[:4]) + "\n")
    result = cli(*place.on_pairs)
    assert result.exit_code == 0 and "20" in result.stderr
    found = read()
    assert found["pairs"] == {"n": 3} and BOTH - set(found["metrics"]) == {"kid_random_vgg16", "two_sample"}
    assert "1 of 3" in found["notes"][0]  # of the first pose
    assert all(note in Page(Path("evaluation/index.html")).text for note in found["notes"])


def test_unseen_domains_are_probed_too(cli: Any, place: Place) -> None:
    for path in place.domains.iterdir():
        path.rename(path.with_name(f"<{path.name}>"))
    assert cli(*place.on_domains).exit_code == 0
    missing = {
        "domain_pairs_accuracy", "domain_pairs_edge_agreement", "domain_pairs_kid_random_vgg16",
        "diversity_random_vgg16",
    }  # fmt: skip
    assert OF_DOMAINS - set(read()["metrics"]) == missing
    assert not Path("evaluation/domain_pairs.png").exists()


def test_domains_of_few_images_are_left_out(cli: Any, place: Place) -> None:
    for path in sorted((place.domains / "car001").iterdir())[4:]:
        path.unlink()
    assert cli(*place.on_domains).exit_code == 0
    found = read()
    assert found["domains"]["counts"]["car001"] == 4
    assert found["metrics"]["domain_from_content"]["details"]["labels"] == 2
    assert any("1 of 3" in note for note in found["notes"])
    for path in sorted((place.domains / "car002").iterdir())[4:]:
        path.unlink()
    assert cli(*place.on_domains).exit_code == 0
    assert set(read()["metrics"]) == {"label_from_style", "label_from_sampled_style", "label_from_content"}
    assert read()["notes"]


def test_at_most_count_images_are_used(cli: Any, place: Place) -> None:
    assert cli(*place.on_domains, "--count", 60).exit_code == 0
    assert read()["domains"]["n"] == 60


def test_without_a_recurring_name_there_is_no_content_label(cli: Any, place: Place) -> None:
    for domain in place.domains.iterdir():
        for path in domain.iterdir():
            path.rename(path.with_name(f"{domain.name}-{path.name}"))
    result = cli(*place.on_domains)
    assert result.exit_code == 0 and result.stderr
    assert not any(name.startswith("label") for name in read()["metrics"])


def test_unreadable_images_are_named_and_left_out(cli: Any, place: Place) -> None:
    bad = place.domains / "car000" / os.fsdecode(b"b\xe9d <b>.png")
    bad.write_text("no image")
    link = place.domains / "car001/link.png"
    link.symlink_to("nowhere.png")
    result = cli(*place.on_domains, "--batch", 7)
    assert result.exit_code == 3 and str(link) in result.stderr
    figures = read()
    assert figures["domains"]["n"] == place.count() - 2
    assert figures["left_out"].keys() == {str(bad), str(link)}
    page = Page(Path("evaluation/index.html"))
    assert "d <b>.png" in page.text and "b" not in page.tags


def test_names_are_escaped_on_the_page(cli: Any, place: Place) -> None:
    model = place.here / "a<script>&"
    shutil.copytree(place.trained / "model", model)
    assert cli("evaluate", model, *place.on_pairs[2:]).exit_code == 0
    page = Page(Path("evaluation/index.html"))
    assert "script" not in page.tags and f"Evaluation of {model}" in page.text


def test_views_of_a_cars3d_file_are_images_too(cli: Any, place: Place) -> None:
    from scipy.io import savemat

    random, folder = np.random.default_rng(0), place.here / "views"
    folder.mkdir()
    for name in ("car000", "car001"):
        savemat(folder / f"{name}.mat", {"im": random.integers(0, 256, (128, 128, 3, 24, 4)).astype(np.uint8)})
    assert (
        cli(*place.on_domains[:2], "--domains", folder, "--count", 48, "--content-label", r"view(\d+)").exit_code == 0
    )
    assert read()["domains"]["counts"] == {"car000": 24, "car001": 24}


# --- errors ---------------------------------------------------------------------------------------------------------


def test_other_weights_than_the_published_ones_are_an_error(
    cli: Any, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sivae_translate.evaluation.perceptual.LPIPS_SIDE", 16)
    Path("other.pth").write_bytes(b"PK damaged")
    for name in ("other.pth", "none.pth"):
        expect_error(cli(*place.on_pairs, "--lpips", name), 2, name, "alexnet-owt-7be5be79.pth")
    assert not Path("evaluation").exists()


def test_an_unreadable_image_of_a_pair_is_an_error(cli: Any, place: Place) -> None:
    root = place.here / "copy"
    shutil.copytree(place.cars / "unseen", root / "unseen")
    bad = read_pairs(place.pairs, root)[3]["style"]
    bad.write_text("no image")
    expect_error(cli("evaluate", place.trained, "--pairs", place.pairs, "--root", root), 1, bad)


def test_a_single_latent_cannot_be_evaluated(cli: Any, untrained: Callable[..., Path], place: Place) -> None:
    model = untrained("conv", "car000", "car001")
    expect_error(cli("evaluate", model, "--domains", place.domains), 2, "--recipe style")


# --- without the extra ----------------------------------------------------------------------------------------------


@pytest.fixture
def plain_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after `pip install sivae-translate`."""
    for name in [name for name in sys.modules if name.split(".")[0] in EXTRA]:
        monkeypatch.delitem(sys.modules, name)
    for package in EXTRA:
        monkeypatch.setitem(sys.modules, package, None)


def test_pairs_are_evaluated_without_the_extra(cli: Any, place: Place, plain_install: None) -> None:
    result = cli(*place.on_pairs)
    assert result.exit_code == 0, result.output
    fix = "pip install 'sivae-translate[evaluation]'"
    assert fix in result.stderr and fix in Page(Path("evaluation/index.html")).text
    assert BOTH - set(read()["metrics"]) == {"kid_random_vgg16", "two_sample"}


def test_a_missing_extra_is_named_before_anything_is_computed(
    cli: Any, place: Place, plain_install: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "translate_pairs", None)
    monkeypatch.setattr(report, "encode_domains", None)
    fix = "pip install 'sivae-translate[evaluation]'"
    expect_error(cli(*place.on_domains), 2, "sklearn", fix)
    expect_error(cli(*place.on_pairs, "--inception", "w.pth"), 2, "torchmetrics", fix)


# --- parts ------------------------------------------------------------------------------------------------------------


def test_codes_and_features_are_those_of_the_images(place: Place, translator: Translator) -> None:
    bad, extractor = list[Any](), load_reader(None)
    real = encode_domains(translator, choose_images(place.domains, 50, None, Path("out")), extractor, bad, batch=7)
    assert len(real.labels) == 50 and not bad and real.features.shape == (50, 384)
    paths = [source.path for source in real.sources]
    assert [real.names[label] for label in real.labels] == [path.parent.name for path in paths]
    x = translator.prepare([paths[17], paths[40]])
    code = translator.encode(x)
    assert code.style is not None
    np.testing.assert_allclose(real.content.mean[[17, 40]], code.content, atol=1e-5)
    np.testing.assert_allclose(real.style.mean[[17, 40]], code.style, atol=1e-5)
    features = extractor(translator.to_pictures(x), translator.device)
    np.testing.assert_allclose(real.features[[17, 40]], features, rtol=1e-4, atol=1e-5)


def test_a_domain_pair_is_what_the_translator_makes(place: Place, translator: Translator) -> None:
    extractor = load_reader(None)
    chosen = choose_images(place.domains, 1000, None, Path("out"))
    real = encode_domains(translator, chosen, extractor, [])
    (pair,) = translate_domain_pairs(Translation(translator, 0, 0, 7), real, [("car000", "car002")], extractor)
    sources = sorted((place.domains / "car000").iterdir())
    made = extractor(translator(sources, to="car002"), translator.device)
    assert pair.name == "car000 to car002"
    np.testing.assert_allclose(pair.features, made, rtol=2e-2, atol=2e-3)  # a level of 255 may round otherwise
