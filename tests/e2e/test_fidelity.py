"""`fidelity`, end to end: the report, the pictures and errors."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_output import expect_error
from PIL import Image
from torch import Tensor, nn

from sivae_translate.evaluation import extractors, fidelity
from sivae_translate.evaluation.extractors import Extractor
from sivae_translate.evaluation.set_distances import distances
from sivae_translate.inference.translator import Translator
from sivae_translate.models.random_vgg16 import centred
from sivae_translate.pictures import contact_sheet, sheet

CPU = torch.device("cpu")


@pytest.fixture
def real(cars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of 48 images of two unseen cars, which a test may change."""
    monkeypatch.chdir(tmp_path)
    for path in sorted((cars / "unseen").rglob("*.png"))[::4]:
        copy = tmp_path / "real" / path.parent.name / path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    return tmp_path / "real"


def report(out: Path) -> Any:
    return json.loads((out / "report.json").read_text())


# --- the report -----------------------------------------------------------------------------------------------------


def test_samples_and_reconstructions_are_compared_with_real_images(
    cli: Any, trained: Path, real: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = cli("fidelity", trained, "--real", real, "--out", out, "--device", "cpu")
    assert result.exit_code == 0, result.output
    head, *rows = result.stdout.splitlines()[:4]
    assert head.split() == ["random-vgg16", "at", "16", "px", "n", "KID", "(random", "VGG-16)"]
    assert [row.split()[:1] for row in rows] == [["samples"], ["reconstructions"], ["real,"]]
    assert "FID" not in result.stdout and str(out) in result.stdout
    assert {path.name for path in out.iterdir()} == {"report.json", "samples.png", "reconstructions.png"}

    figures = report(out)
    assert {"size": 16, "extractor": "random-vgg16", "seed": 0, "left_out": {}}.items() <= figures.items()
    for name, n in (("samples", 48), ("reconstructions", 48), ("half_split", 24)):
        assert list(figures[name]) == ["n", "kid_random_vgg16", "kid_random_vgg16_std", "subsets", "subset_size"]
        assert (figures[name]["n"], figures[name]["subset_size"], figures[name]["subsets"]) == (n, n // 2, 100)
        assert f" {n} " in next(row for row in rows if name.split("_")[0] in row)

    translator = Translator.from_pretrained(trained, device="cpu")
    paths, extractor = sorted(real.rglob("*.png")), extractors.load_extractor(None)
    originals = translator.to_pictures(translator.prepare(list(paths)))
    samples, copies = translator.sample(48, seed=0), translator.reconstruct(list(paths))
    reference = extractor(originals, CPU)
    for name, images in (("samples", samples), ("reconstructions", copies)):
        features = [centred(each, reference) for each in (extractor(images, CPU), reference)]
        again = distances(*features, "random-vgg16")
        assert figures[name] == pytest.approx(again, rel=1e-3, abs=1e-5)
    assert figures["half_split"]["kid_random_vgg16"] < figures["samples"]["kid_random_vgg16"]

    shown = sheet([[np.asarray(originals[i]), np.asarray(copies[i])] for i in range(0, 48, 4)])
    assert np.array_equal(np.asarray(Image.open(out / "reconstructions.png")), np.asarray(shown))
    assert np.array_equal(np.asarray(Image.open(out / "samples.png")), np.asarray(contact_sheet(samples)))


def test_a_single_latent_is_evaluated_too(cli: Any, untrained: Callable[..., Path], real: Path) -> None:
    assert cli("fidelity", untrained("conv", "a", "b"), "--real", real).exit_code == 0
    assert report(Path("fidelity"))["samples"]["n"] == 48


def test_metrics_depend_on_the_seed_and_not_on_the_batch(cli: Any, trained: Path, real: Path) -> None:
    def kids(*options: object) -> list[float]:
        assert cli("fidelity", trained, "--real", real, *options).exit_code == 0
        figures = report(Path("fidelity"))
        return [figures[name]["kid_random_vgg16"] for name in ("samples", "reconstructions", "half_split")]

    first = kids()
    assert kids("--batch", 5) == pytest.approx(first, rel=1e-3, abs=1e-5)
    assert kids() == first
    samples = Path("fidelity/samples.png").read_bytes()
    other = kids("--seed", 1)
    assert Path("fidelity/samples.png").read_bytes() != samples
    assert min(abs(a - b) for a, b in zip(first, other, strict=True)) > 0 and report(Path("fidelity"))["seed"] == 1


def test_at_most_count_images_are_compared(cli: Any, trained: Path, real: Path) -> None:
    result = cli("fidelity", trained, "--real", real, "--count", 21)
    assert result.exit_code == 0
    figures = report(Path("fidelity"))
    assert [figures[name]["n"] for name in ("samples", "reconstructions", "half_split")] == [21, 21, 10]
    assert figures["half_split"]["subset_size"] == 5


def test_inception_alone_gives_fid_and_kid(
    cli: Any, trained: Path, real: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Means(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.float().mean((2, 3)) / 255

    given = list[Path | None]()
    monkeypatch.setattr(
        extractors, "load_extractor", lambda file: given.append(file) or Extractor("inception", Means())
    )
    result = cli("fidelity", trained, "--real", real, "--inception", "weights.pth")
    assert result.exit_code == 0 and given == [Path("weights.pth")]
    assert result.stdout.splitlines()[0].split() == ["inception", "at", "16", "px", "n", "FID", "KID"]
    assert "VGG" not in result.stdout
    figures = report(Path("fidelity"))
    assert figures["extractor"] == "inception"
    for name in ("samples", "reconstructions", "half_split"):
        assert list(figures[name]) == ["n", "fid", "kid", "kid_std", "subsets", "subset_size"]
        assert f"{figures[name]['fid']:.4f}" in result.stdout and f"{figures[name]['kid']:.4f}" in result.stdout


def test_perfect_reconstructions_score_as_two_halves_do(
    cli: Any, trained: Path, real: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Translator, "reconstruct", lambda self, x: self.to_pictures(x))
    assert cli("fidelity", trained, "--real", real).exit_code == 0
    figures = report(Path("fidelity"))
    copies, halves = figures["reconstructions"]["kid_random_vgg16"], figures["half_split"]
    assert copies < halves["kid_random_vgg16"] + halves["kid_random_vgg16_std"] < figures["samples"]["kid_random_vgg16"]


def test_unreadable_images_are_named_and_left_out(cli: Any, trained: Path, real: Path) -> None:
    bad = real / os.fsdecode(b"b\xe9d.png")
    bad.write_text("no image")
    result = cli("fidelity", trained, "--real", real, "--batch", 7)
    assert result.exit_code == 3 and str(bad.parent) in result.stderr
    figures = report(Path("fidelity"))
    assert figures["reconstructions"]["n"] == 48 and figures["left_out"].keys() == {str(bad)}


# --- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("package", "options"),
    [("torchmetrics", ()), ("torchmetrics", ("--inception", "w")), ("torch_fidelity", ("--inception", "w"))],
)
def test_a_missing_package_is_named_before_anything_is_read(
    cli: Any, trained: Path, real: Path, monkeypatch: pytest.MonkeyPatch, package: str, options: tuple[str, ...]
) -> None:
    if package == "torch_fidelity":
        import_module("torchmetrics.image.fid")  # which does without it as long as Inception is not asked for
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with monkeypatch.context() as patch:
        patch.setattr(fidelity, "evaluate_fidelity", None)
        fix = "pip install 'sivae-translate[evaluation]'"
        expect_error(cli("fidelity", trained, "--real", real, *options), 2, package, fix)


def test_the_help_has_the_address_of_the_weights(cli: Any) -> None:
    page = "".join(cli("fidelity", "--help").stdout.split())
    assert "".join(c for c in page if c not in "│").find("weights-inception-2015-12-05-6726825d.pth") > 0
    assert "randomVGG-16" in page
