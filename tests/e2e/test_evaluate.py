"""The report of `evaluate`, end to end: what it tells of pairs and of domains, its page, and what cannot be done."""

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
from expected_errors import refused
from PIL import Image
from torch import Tensor, nn

from sivae_translate.evaluation import encoded, report
from sivae_translate.evaluation.directions import directions
from sivae_translate.evaluation.extractors import Extractor, centred, load_reader
from sivae_translate.evaluation.fidelity import distance, floor
from sivae_translate.evaluation.pairs import read_pairs
from sivae_translate.evaluation.probes import train_classifier
from sivae_translate.inference.translator import Translator

EXTRA = ("sklearn", "torchmetrics", "torch_fidelity")


@dataclass(frozen=True)
class Place:
    """A trained model, 60 pairs of two unseen cars, and the images of the cars it knows, held out or not."""

    here: Path
    cars: Path
    trained: Path
    pairs: Path
    domains: Path

    def count(self) -> int:
        """How many files the domains hold."""
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
        f"unseen/car003/{pose}.png,novel/car004/{poses[0]},novel/car004/{pose}.png".replace(".png.png", ".png")
        for pose in poses[::2]
    ]
    rows += [f"unseen/car004/{pose},novel/car003/{poses[3]},novel/car003/{pose}" for pose in poses[:12]]
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("\n".join(["content,style,target", *rows]) + "\n")
    domains = tmp_path / "real"
    for path in sorted((cars / "train").rglob("*.png"))[::3]:
        (domains / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, domains / path.parent.name / path.name)
    return Place(tmp_path, cars, trained, pairs, domains)


def read(out: str | Path = "evaluation") -> Any:
    return json.loads((Path(out) / "report.json").read_text())


class Page(HTMLParser):
    """What a page refers to and shows; tags must close."""

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


# --- what it tells --------------------------------------------------------------------------------------------------


def test_pairs_and_domains_make_one_report(cli: Any, place: Place) -> None:
    arguments = (*place.on_pairs, "--domains", place.domains, "--content-label", r"az(\d+)", "--device", "cpu")
    result = cli(*arguments)
    assert result.exit_code == 0, result.output
    figures, out = read(), Path("evaluation")
    pictures = {"pairs.png", "best.png", "median.png", "worst.png", "directions.png"}
    assert {path.name for path in out.iterdir()} == {
        *(f"{i:06d}.png" for i in range(60)), *pictures, "report.json", "index.html",
    }  # fmt: skip
    facts = {"size": 16, "seed": 0, "n": 60, "extractor": "random-vgg16", "left_out": {}}
    facts |= {"inversion_steps": 0, "style_correction": 0}  # none: the content is a vector
    assert facts.items() <= figures.items() and figures["perceptual"] == "perceptual (random VGG-16)"

    for name in ("output", "copy_content", "copy_style"):
        assert {f"{name}_{m}" for m in ("psnr", "ssim", "perceptual_random_vgg16")} <= set(figures)
    assert figures["retrieval"]["n"] == 60 and 0 <= figures["retrieval"]["output_correlation"] <= 1
    assert figures["retrieval"]["chance"] == pytest.approx((48 / 48 + 12 / 12) / 60, abs=1e-4)
    sharp = figures["sharpness"]
    assert (sharp["n"], sharp["n_real"], sharp["floor"]["n"]) == (60, 60, 30) and 0.3 < sharp["gradient"] < 4
    assert sharp["floor"]["kid_random_vgg16"] < sharp["kid_random_vgg16"]
    assert sharp["real_or_translated"]["balanced_accuracy"] > 0.7  # of so small a model

    n = figures["domains"]["n"]
    assert n == place.count() and sum(figures["domains"]["counts"].values()) == n
    probes = figures["probes"]
    assert list(probes) == [
        "domain_from_content", "domain_from_sampled_content",
        "label_from_style", "label_from_sampled_style", "label_from_content",
    ]  # fmt: skip
    for name, found in probes.items():
        assert n - 4 < found["n_train"] + found["n_test"] <= n and found["seed"] == 0  # some labels do not recur
        assert ("mlp_within_one" in found) == name.startswith("label")
        assert found["labels"] == 3 if name.startswith("domain") else 15 < found["labels"] <= 24
    assert figures["classifier"]["accuracy"] > figures["classifier"]["chance"] + 0.2
    assert "pairs" not in figures["classifier"]  # whose domains are others
    each = figures["directions"]["each"]
    assert {(row["from"], row["to"]) for row in each} == {
        (a, b) for a in figures["domains"]["counts"] for b in figures["domains"]["counts"] if a != b
    }
    assert all(row["n"] == figures["domains"]["counts"][row["from"]] and row["n_real"] >= 20 for row in each)
    mean = figures["directions"]["mean"]
    kids = [row["kid_random_vgg16"] for row in each]
    assert mean["kid_random_vgg16"] == pytest.approx(np.mean(kids), abs=1e-5) and mean["n"] == 2 * n
    assert mean["halves"]["kid_random_vgg16"] < mean["copy"]["kid_random_vgg16"]
    assert mean["called_target_untranslated"] < 0.3
    assert figures["diversity"]["n"] == 30 and figures["diversity"]["styles"] == 10
    assert figures["diversity"]["measure"] == "perceptual_random_vgg16" and figures["diversity"]["translations"] > 0

    page = Page(out / "index.html")
    assert set(page.links) == pictures and not page.tags & {"script", "link", "iframe"}
    assert "lpips" not in (page.text + json.dumps(figures) + result.stdout).lower()
    assert "FID" not in page.text + result.stdout
    for text in (f"{figures['output_psnr']:.2f}", "car000 to car002", f"{n} real images of 3 domains"):
        assert text in page.text
    for text in (f"{figures['output_psnr']:.2f}", "domain from content", "car000 to car002", "index.html"):
        assert text in result.stdout


def test_the_same_seed_tells_the_same_and_another_draws_anew(cli: Any, place: Place) -> None:
    def figures(*options: object) -> Any:
        assert cli(*place.on_domains, *options).exit_code == 0
        return read()

    first = figures()
    assert figures() == first
    other = figures("--seed", 1)
    assert other["seed"] == 1 and other["probes"] != first["probes"] and other["diversity"] != first["diversity"]
    by_five = figures("--batch", 5)
    assert by_five["directions"]["mean"]["called_target"] == first["directions"]["mean"]["called_target"]
    assert by_five["diversity"]["translations"] == pytest.approx(first["diversity"]["translations"], abs=1e-3)


def test_perfect_translations_are_found_and_not_told_apart(
    cli: Any, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    translator = Translator.from_pretrained(place.trained, device="cpu")
    truths = {
        translator.prepare(pair["content"]).numpy().tobytes()
        + translator.prepare(pair["style"]).numpy().tobytes(): pair
        for pair in read_pairs(place.pairs, place.cars)
    }

    def perfect(translator: Translator, content: Any, style: Any, *how: int) -> Any:
        keys = (
            b"".join(translator.prepare(x).numpy().tobytes() for x in each) for each in zip(content, style, strict=True)
        )
        found = [truths[key] for key in keys]
        return translator.to_pictures(translator.prepare([pair["target"] for pair in found]))

    monkeypatch.setattr("sivae_translate.evaluation.pairs.translate_batch", perfect)
    assert cli(*place.on_pairs).exit_code == 0
    figures = read()
    assert figures["output_psnr"] == 100 and figures["output_perceptual_random_vgg16"] == 0
    assert figures["retrieval"]["output_pixels"] == figures["retrieval"]["output_correlation"] == 1
    sharp = figures["sharpness"]
    assert sharp["gradient"] == 1 and sharp["real_or_translated"]["balanced_accuracy"] == pytest.approx(0.5, abs=0.02)
    assert sharp["kid_random_vgg16"] < abs(sharp["floor"]["kid_random_vgg16"]) + 3 * sharp["kid_random_vgg16_std"]


def test_untranslated_images_are_not_called_the_target_and_real_ones_are(
    cli: Any, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pairs between the domains themselves, translated by copying the style image, which is of the target."""
    names = sorted(path.name for path in (place.cars / "train/car000").glob("*.png"))
    names = [name for name in names if (place.cars / "train/car001" / name).exists()][:30]
    rows = [f"train/car000/{name},train/car001/{names[-1 - i]},train/car001/{name}" for i, name in enumerate(names)]
    place.pairs.write_text("\n".join(["content,style,target", *rows]) + "\n")

    def copied(translator: Translator, content: Any, style: Any, *how: int) -> Any:
        return [Image.fromarray(image) for image in style]

    monkeypatch.setattr("sivae_translate.evaluation.pairs.translate_batch", copied)
    assert cli(*place.on_pairs, "--domains", place.domains).exit_code == 0
    called = read()["classifier"]["pairs"]
    assert called["n"] == len(names) and called["called_target"] > 0.8 > 0.2 > called["called_target_untranslated"]
    assert "translations of pairs" in Page(Path("evaluation/index.html")).text


def test_the_best_and_the_worst_are_shown(cli: Any, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = dict[str, list[int]]()

    def draw(self: Any, rows: Any, translator: Translator) -> Any:
        shown[str(len(shown))] = list(rows)
        return Image.new("RGB", (1, 1))

    monkeypatch.setattr("sivae_translate.evaluation.pairs.Measured.picture", draw)
    assert cli(*place.on_pairs).exit_code == 0
    scores = []
    for i, row in enumerate(csv.DictReader(place.pairs.open())):
        size = (16, 16)
        truth = Image.open(place.cars / row["target"]).convert("RGB").resize(size, Image.Resampling.BOX)
        output = Image.open(f"evaluation/{i:06d}.png")
        scores.append(-np.mean((np.asarray(truth, float) - np.asarray(output, float)) ** 2))
    order = np.argsort(-np.array(scores), kind="stable").tolist()
    assert shown == {"0": list(range(12)), "1": order[:6], "2": order[27:33], "3": order[-6:]}


def test_inception_alone_gives_fid_and_kid(cli: Any, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    class Means(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.float().mean((2, 3)) / 255

    monkeypatch.setattr(report, "load_reader", lambda file: Extractor("inception", Means()))
    result = cli(*place.on_pairs, "--domains", place.domains, "--inception", "weights.pth")
    assert result.exit_code == 0, result.output
    figures = read()
    for found in (figures["sharpness"], figures["directions"]["mean"], *figures["directions"]["each"]):
        assert {"fid", "kid"} <= set(found) and "kid_random_vgg16" not in found
    assert figures["extractor"] == figures["sharpness"]["real_or_translated"]["extractor"] == "inception"
    for text in (result.stdout, Page(Path("evaluation/index.html")).text):
        assert "FID" in text and "KID" in text and "KID (random" not in text


def test_few_pairs_are_scored_and_what_needs_more_is_said(cli: Any, place: Place) -> None:
    place.pairs.write_text("\n".join(place.pairs.read_text().splitlines()[:4]) + "\n")
    result = cli(*place.on_pairs)
    assert result.exit_code == 0 and "fewer than 20 distinct truths" in result.stderr
    figures = read()
    assert figures["n"] == 3 and list(figures["sharpness"]) == ["n", "gradient"]
    assert "fewer than 20 distinct truths" in figures["notes"][0]
    assert "in 1 of 3 pairs the style image is the truth" in figures["notes"][1]  # of the first pose
    assert all(note in Page(Path("evaluation/index.html")).text for note in figures["notes"])


def test_domains_that_the_model_does_not_know_are_probed_all_the_same(cli: Any, place: Place) -> None:
    for path in place.domains.iterdir():
        path.rename(path.with_name(f"<{path.name}>"))
    result = cli(*place.on_domains)
    assert result.exit_code == 0 and "no directions" in result.stderr and "no diversity" in result.stderr
    figures = read()
    assert "domain_from_content" in figures["probes"] and "accuracy" in figures["classifier"]
    assert not {"directions", "diversity"} & set(figures) and not Path("evaluation/directions.png").exists()


def test_domains_of_few_images_are_left_out_of_what_needs_several(cli: Any, place: Place) -> None:
    for path in sorted((place.domains / "car001").iterdir())[4:]:
        path.unlink()
    assert cli(*place.on_domains).exit_code == 0
    figures = read()
    assert figures["domains"]["counts"]["car001"] == 4 and figures["probes"]["domain_from_content"]["labels"] == 2
    assert any("1 of 3 domains have fewer than 5 images" in note for note in figures["notes"])
    for path in sorted((place.domains / "car002").iterdir())[4:]:
        path.unlink()
    assert cli(*place.on_domains).exit_code == 0
    assert "domain_from_content" not in read()["probes"]
    assert any("fewer than two domains are left" in note for note in read()["notes"])


def test_labels_are_whole_names_unless_said_and_may_be_missing(cli: Any, place: Place) -> None:
    assert cli(*place.on_domains, "--count", 60).exit_code == 0
    assert read()["domains"]["n"] == 60
    for domain in place.domains.iterdir():
        for path in domain.iterdir():
            path.rename(path.with_name(f"{domain.name}-{path.name}"))
    result = cli(*place.on_domains)
    assert result.exit_code == 0 and "no two file names recur in two domains" in result.stderr
    assert "label_from_style" not in read()["probes"]


def test_unreadable_images_are_named_and_left_out(cli: Any, place: Place) -> None:
    bad = place.domains / "car000" / os.fsdecode(b"b\xe9d <b>.png")
    bad.write_text("no image")
    link = place.domains / "car001/link.png"
    link.symlink_to("nowhere.png")
    result = cli(*place.on_domains, "--batch", 7)
    assert result.exit_code == 3 and result.stderr.count("left out") >= 2 and "broken link" in result.stderr
    figures = read()
    assert figures["domains"]["n"] == place.count() - 2
    assert figures["left_out"] == {str(bad): "not an image (text)", str(link): "broken link"}
    page = Page(Path("evaluation/index.html"))
    assert "d <b>.png: not an image (text)" in page.text and "b" not in page.tags


def test_names_do_not_break_the_page(cli: Any, place: Place) -> None:
    model = place.here / "a<script>&"
    shutil.copytree(place.trained / "model", model)
    assert cli("evaluate", model, *place.on_pairs[2:]).exit_code == 0
    page = Page(Path("evaluation/index.html"))
    assert "script" not in page.tags and f"Evaluation of {model}" in page.text


def test_views_of_one_file_are_images_too(cli: Any, place: Place) -> None:
    from scipy.io import savemat

    random, folder = np.random.default_rng(0), place.here / "views"
    folder.mkdir()
    for name in ("car000", "car001"):
        savemat(folder / f"{name}.mat", {"im": random.integers(0, 256, (128, 128, 3, 24, 4)).astype(np.uint8)})
    assert (
        cli(*place.on_domains[:2], "--domains", folder, "--count", 48, "--content-label", r"view(\d+)").exit_code == 0
    )
    assert read()["domains"]["counts"] == {"car000": 24, "car001": 24}


# --- what cannot be done --------------------------------------------------------------------------------------------

Case = tuple[str, Callable[[Place], list[object]], list[object]]


def one_domain(place: Place) -> Path:
    folder = place.here / "one"
    shutil.copytree(place.domains / "car000", folder / "car000")
    return folder


def unreadable(place: Place) -> Path:
    folder = place.here / "bad"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        (folder / name / "1.png").write_text("no image")
    return folder


def file(place: Place) -> Path:
    (place.here / "alexnet.pth").write_bytes(b"PK damaged")
    return place.here / "alexnet.pth"


CASES: list[Case] = [
    ("nothing", lambda p: [], ["nothing to evaluate on", "--pairs CSV --root DIR", "--domains DIR"]),
    ("a root alone", lambda p: ["--root", p.cars, "--domains", p.domains], ["without --pairs"]),
    ("pairs alone", lambda p: ["--pairs", p.pairs], ["without --root", "--root DIR"]),
    ("a label alone", lambda p: [*p.on_pairs[2:], "--content-label", "(a)"], ["without --domains"]),
    ("missing pairs", lambda p: ["--pairs", "none.csv", "--root", p.cars], ["none.csv", "content,style,target"]),
    ("missing domains", lambda p: ["--domains", "nowhere"], ["nowhere does not exist", "sub-folder"]),
    ("one domain", lambda p: ["--domains", one_domain(p)], ["one holds a single domain", "two or more"]),
    ("bare images", lambda p: ["--domains", p.domains / "car000"], ["car000 holds a single domain"]),
    ("nothing readable", lambda p: ["--domains", unreadable(p)], ["no image can be read", "not an image (text)"]),
    ("no images asked for", lambda p: ["--domains", p.domains, "--count", 0], ["count was 0: expected 1 or more"]),
    (
        "a broken pattern",
        lambda p: ["--domains", p.domains, "--content-label", "az("],
        ["'az('", "is no regular expression", r"--content-label 'az(\d+)'"],
    ),
    (
        "a pattern without group",
        lambda p: ["--domains", p.domains, "--content-label", "az"],
        ["'az' has no group", r"--content-label 'az(\d+)'"],
    ),
    (
        "a pattern of no file",
        lambda p: ["--domains", p.domains, "--content-label", "(z{9})"],
        ["is in no file's name, such as 'el"],
    ),
    ("images too small for LPIPS", lambda p: [*p.on_pairs[2:], "--lpips", file(p)], ["images of 16 px", "32 px"]),
    ("damaged Inception", lambda p: [*p.on_pairs[2:], "--inception", file(p)], ["has sha256", "not 6726825d"]),
    ("domains as output", lambda p: ["--domains", p.domains, "--out", p.domains / "x"], ["is among the images"]),
    (
        "pairs' images as output",
        lambda p: [*p.on_pairs[2:], "--out", p.cars / "unseen/car003"],
        ["is where the images are", "--out"],
    ),
    ("a file as output", lambda p: [*p.on_pairs[2:], "--out", file(p)], ["is a file", "--out"]),
]


@pytest.mark.parametrize(("arguments", "said"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_bad_input_is_one_line(
    cli: Any, place: Place, arguments: Callable[[Place], list[object]], said: list[object]
) -> None:
    given = arguments(place)
    before = sorted(place.here.rglob("*"))
    refused(cli("evaluate", place.trained, *given), 2, *said)
    assert sorted(place.here.rglob("*")) == before


def test_weights_that_are_not_the_published_ones_are_refused(
    cli: Any, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sivae_translate.evaluation.perceptual.LPIPS_SIDE", 16)
    for name, said in ((file(place), "has sha256"), ("none.pth", "does not exist")):
        refused(cli(*place.on_pairs, "--lpips", name), 2, said, "alexnet-owt-7be5be79.pth")
    assert not Path("evaluation").exists()


def test_an_unreadable_image_of_a_pair_is_an_error(cli: Any, place: Place) -> None:
    root = place.here / "copy"
    shutil.copytree(place.cars / "unseen", root / "unseen")
    bad = read_pairs(place.pairs, root)[3]["style"]
    bad.write_text("no image")
    refused(cli("evaluate", place.trained, "--pairs", place.pairs, "--root", root), 1, f"cannot read {bad}")


def test_a_single_latent_has_nothing_to_judge(cli: Any, untrained: Callable[..., Path], place: Place) -> None:
    model = untrained("conv", "car000", "car001")
    refused(cli("evaluate", model, "--domains", place.domains), 2, "a single latent", "--recipe style")


# --- without the extra ----------------------------------------------------------------------------------------------


@pytest.fixture
def plain_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after `pip install sivae-translate`."""
    for name in [name for name in sys.modules if name.split(".")[0] in EXTRA]:
        monkeypatch.delitem(sys.modules, name)
    for package in EXTRA:
        monkeypatch.setitem(sys.modules, package, None)


def test_pairs_are_scored_without_the_extra(cli: Any, place: Place, plain_install: None) -> None:
    result = cli(*place.on_pairs)
    assert result.exit_code == 0, result.output
    fix = "pip install 'sivae-translate[evaluation]'"
    assert fix in result.stderr and fix in Page(Path("evaluation/index.html")).text
    figures = read()
    assert figures["output_perceptual_random_vgg16"] > 0 and "output_pixels" in figures["retrieval"]
    assert list(figures["sharpness"]) == ["n", "gradient"] and fix in figures["notes"][0]


def test_what_cannot_do_without_the_extra_says_so_first(
    cli: Any, place: Place, plain_install: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "measure_pairs", None)
    monkeypatch.setattr(report, "encode_domains", None)
    fix = "pip install 'sivae-translate[evaluation]'"
    refused(cli(*place.on_domains), 2, "sklearn", fix)
    refused(cli(*place.on_pairs, "--inception", "w.pth"), 2, "torchmetrics", fix)


# --- its parts ------------------------------------------------------------------------------------------------------


def test_codes_and_features_are_those_of_the_images(place: Place, translator: Translator) -> None:
    bad, extractor = list[Any](), load_reader(None)
    chosen = encoded.choose_sources(place.domains, 50, Path("out"))
    real = encoded.encode_domains(translator, chosen, extractor, bad, batch=7)
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


def test_a_direction_is_measured_on_what_the_translator_makes(place: Place, translator: Translator) -> None:
    extractor, device = load_reader(None), translator.device
    chosen = encoded.choose_sources(place.domains, 1000, Path("out"))
    real = encoded.encode_domains(translator, chosen, extractor, [])
    classifier = train_classifier(real.features.numpy(), real.labels, real.names, 0)
    found = directions(translator, real, [(0, 2)], extractor, classifier, seed=0, batch=7)["each"][0]

    sources, targets = (sorted((place.domains / name).iterdir()) for name in ("car000", "car002"))
    made = extractor(translator(sources, to="car002"), device)
    before, after = (extractor(translator.to_pictures(translator.prepare(each)), device) for each in (sources, targets))
    a, b, c = (centred(each[:, :192], real.features[:, :192]) for each in (before, after, made))
    for row, features in ((found, c), (found["copy"], a)):
        expected = distance(features, b, "random-vgg16")
        assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-3, abs=1e-4)
    assert (found["n"], found["n_real"]) == (len(sources), len(targets))
    assert found["halves"] == pytest.approx(floor(b, "random-vgg16"), rel=1e-3, abs=1e-4)
    assert found["called_target"] == pytest.approx(classifier.share(made.numpy(), ["car002"] * len(made)), abs=0.05)
