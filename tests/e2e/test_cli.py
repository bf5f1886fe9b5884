"""The command line, end to end: from drawn cars to evaluated translations, and resumed after every kind of stop."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import time
import tomllib
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_output import expect_error, numbers
from PIL import Image
from skimage.metrics import structural_similarity

from sivae_translate.cli import demo
from sivae_translate.data import reader
from sivae_translate.datasets.cars import write_set
from sivae_translate.inference import pipeline
from sivae_translate.progress import Silent
from sivae_translate.training.run import train
from sivae_translate.training.stop import InterruptedRunError

DOMAINS = ("car000", "car001", "car002")
Options = Callable[..., list[str]]


def manifest(out: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def files(root: Path) -> set[str]:
    """Relative names of all files below `root` whose names begin with no dot."""
    paths = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return {path.as_posix() for path in paths if not path.name.startswith(".")}


def weights(run: Path) -> dict[str, bytes]:
    names = (name for name in sorted(files(run)) if name.endswith(".safetensors") and "state-before" not in name)
    return {name: (run / name).read_bytes() for name in names}


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.fixture
def photos(cars: Path, tmp_path: Path) -> Path:
    """A small tree of images in four formats and of two other files."""
    folder = tmp_path / "photos"
    (folder / "day/noon").mkdir(parents=True)
    sources = sorted((cars / "unseen").rglob("*.png"))
    for name, source in zip(("a.png", "day/b.jpg", "day/noon/c.webp", "day/noon/d e.bmp"), sources, strict=False):
        Image.open(source).save(folder / name)
    (folder / "notes.txt").write_text("no image")
    (folder / ".DS_Store").write_bytes(b"junk")
    return folder


# --- from folder to metrics -----------------------------------------------------------------------------------------


def test_cars_are_drawn_checked_trained_on_translated_sampled_and_evaluated(
    cli: Any, options: Options, tmp_path: Path
) -> None:
    cars, run, out = tmp_path / "cars", tmp_path / "run", tmp_path / "out"

    drawn = cli("cars", cars, "--cars", "2", "--unseen", "2", "--size", "16")
    assert drawn.exit_code == 0 and f"train --domains {cars / 'train'}" in drawn.stdout

    checked = cli("check", cars / "train", "--no-estimate")
    assert checked.exit_code == 0 and 2 in numbers(checked.stdout)

    trained = cli("train", "--domains", cars / "train", "--out", run, *options("training.images=64"))
    assert trained.exit_code == 0 and str(run / "model") in trained.stdout
    assert {"recipe.toml", "log.jsonl", "results.csv", "model/config.json", "model/model.safetensors"} <= files(run)

    translated = cli("run", cars / "unseen", "--model", run, "--to", "car001", "--out", out)
    assert translated.exit_code == 0 and numbers(translated.stdout) == [192]

    sampled = cli("sample", "--model", run, "--out", tmp_path / "new.png")
    assert sampled.exit_code == 0 and Image.open(tmp_path / "new.png").size > (16, 16)

    few = tmp_path / "few.csv"
    few.write_text("".join((cars / "pairs_unseen.csv").read_text().splitlines(keepends=True)[:21]))
    scored = cli("evaluate", run, "--pairs", few, "--root", cars, "--out", tmp_path / "scores")
    assert scored.exit_code == 0 and "PSNR" in scored.stdout


@pytest.mark.parametrize("recipe", ["conv", "synthesis-128"])
def test_a_single_latent_is_trained_resumed_sampled_and_edited(
    cli: Any, options: Options, cars: Path, tmp_path: Path, recipe: str
) -> None:
    run, views = tmp_path / "run", sorted((cars / "unseen/car003").glob("*.png"))
    asked = options("training.images=128", "model.latent=16")
    asked[asked.index("tiny")] = recipe
    trained = cli("train", "--domains", cars / "train", "--out", run, *asked)
    assert trained.exit_code == 0, trained.output
    assert f"sivae-translate sample --model {run}" in trained.stdout
    kinds = {name.split("-")[1] for name in files(run / "samples")}
    assert kinds == {"reconstructions.png", "samples.png"}

    again = cli("train", "--domains", cars / "train", "--out", run, *asked, "--set", "training.images=192")
    assert again.exit_code == 0 and 128 in numbers(again.stderr)
    last = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
    assert last["images"] == 192 and {"kl_rec", "kl_sample", "gap"} <= last.keys() and "kl_translation" not in last

    drawn = cli("sample", "--model", run, "--truncation", "0.5", "--out", tmp_path / "new.png")
    assert drawn.exit_code == 0 and Image.open(tmp_path / "new.png").size > (16, 16)
    strip = cli("interpolate", *views[:2], "--model", run, "--steps", "3", "--out", tmp_path / "strip.png")
    assert strip.exit_code == 0, strip.output
    found = cli("reconstruct", views[0], "--model", run, "--inversion-steps", "3", "--out", tmp_path / "again")
    assert found.exit_code == 0, found.output
    scored = cli("ood", run, "--in", cars / "test", "--set-threshold", "0.9", "--out", tmp_path / "ood")
    assert scored.exit_code == 0, scored.output


def test_a_model_grows_from_a_run_of_half_its_size(cli: Any, options: Options, cars: Path, tmp_path: Path) -> None:
    def train_at(name: str, *arguments: object) -> Any:
        overrides = options("training.images=64", f"data.size={name}", *(o for o in arguments if isinstance(o, str)))
        paths = [word for path in arguments if isinstance(path, Path) for word in ("--grow", path)]
        return cli("train", "--domains", cars / "train", "--out", tmp_path / name, *overrides, *paths)

    assert train_at("16").exit_code == 0
    grown = train_at("32", tmp_path / "16")
    assert grown.exit_code == 0
    again = train_at("32", tmp_path / "16", "training.images=96")
    assert again.exit_code == 0 and 64 in numbers(again.stderr)
    expect_error(train_at("64", tmp_path / "16"), 2, "16", "--set data.size=32")
    expect_error(train_at("64", tmp_path / "nothing"), 2, "nothing")
    assert not (tmp_path / "64").exists()


def test_a_run_folder_holds_its_recipe_log_table_and_pictures(trained: Path) -> None:
    recipe = tomllib.loads((trained / "recipe.toml").read_text())
    assert recipe["training"]["images"] == 400 and recipe["model"]["style"] == 64  # a default, written out
    last = json.loads((trained / "log.jsonl").read_text().splitlines()[-1])
    assert last["images"] == 400 and {"rec", "kl_real", "kl_sample", "kl_translation", "gap"} <= last.keys()
    rows = list(csv.DictReader((trained / "results.csv").open()))
    assert float(rows[-1]["kl_translation"]) == pytest.approx(last["kl_translation"], rel=1e-5)
    kinds = Counter(name.split("-")[1] for name in files(trained / "samples"))
    assert kinds == {"reconstructions.png": 4, "translations.png": 4, "samples.png": 4}


# --- run ------------------------------------------------------------------------------------------------------------


def test_run_keeps_names_and_tree_in_a_folder_for_every_domain(
    cli: Any, trained: Path, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert cli("run", photos, "--model", trained, "--out", out).exit_code == 0
    names = {"a.png", "day/b.jpg.png", "day/noon/c.webp.png", "day/noon/d e.bmp.png"}
    assert files(out) == {f"{domain}/{name}" for domain in DOMAINS for name in names} | {"manifest.jsonl"}
    assert {Image.open(path).size for path in out.rglob("*.png")} == {(16, 16)}

    left_out, *rows = manifest(out)
    assert (left_out["input"], left_out["status"]) == (str(photos / "notes.txt"), "left out")
    assert Counter((row["input"], row["target"]) for row in rows) == Counter(
        (str(photos / name), domain) for name in files(photos) - {"notes.txt"} for domain in DOMAINS
    )
    assert {row["status"] for row in rows} == {"ok"}
    assert {row["output"] for row in rows} == files(out) - {"manifest.jsonl"}


def test_one_target_has_no_folder_of_its_own_and_each_of_several_has_one(
    cli: Any, trained: Path, photos: Path, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert cli("run", photos, "--model", trained, "--to", "car001", "--out", one).exit_code == 0
    assert cli("run", photos, "--model", trained, "--to", "car001", "--to", "car002", "--out", two).exit_code == 0
    assert {path.name for path in two.iterdir()} >= {"car001", "car002"} and not (two / "a.png").exists()
    assert (one / "a.png").read_bytes() == (two / "car001/a.png").read_bytes()
    assert (one / "a.png").read_bytes() != (two / "car002/a.png").read_bytes()


def test_style_comes_from_an_image_or_from_the_mean_of_a_folder(
    cli: Any, trained: Path, cars: Path, photos: Path, tmp_path: Path
) -> None:
    references = sorted((cars / "unseen/car004").iterdir())[:2]
    both = tmp_path / "both"
    both.mkdir()
    for reference in references:
        shutil.copy(reference, both)
    results = {}
    refined = [both, "--inversion-steps", "3"]
    styles = {"first": [references[0]], "second": [references[1]], "both": [both], "refined": refined}
    for name, style in styles.items():
        out = tmp_path / f"out-{name}"
        assert cli("run", photos / "a.png", "--model", trained, "--out", out, "--style", *style).exit_code == 0
        assert files(out) == {"a.png", "manifest.jsonl"}
        results[name] = (out / "a.png").read_bytes()
    assert len(set(results.values())) == 4


@pytest.mark.parametrize(("format", "kind"), [("png", "PNG"), ("jpg", "JPEG"), ("webp", "WEBP")])
def test_outputs_are_of_the_format_asked_for(
    cli: Any, trained: Path, photos: Path, tmp_path: Path, format: str, kind: str
) -> None:
    arguments = ("--model", trained, "--to", "car000", "--format", format, "--out", tmp_path / "out")
    assert cli("run", photos / "day", *arguments).exit_code == 0
    name = "b.jpg" if format == "jpg" else f"b.jpg.{format}"
    assert Image.open(tmp_path / "out" / name).format == kind


def test_a_second_run_translates_only_the_missing_outputs(
    cli: Any, trained: Path, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = ("run", photos, "--model", trained, "--out", out)
    assert numbers(cli(*arguments).stdout) == [12, 1]  # and the text file
    (out / "car001/a.png").unlink()
    shutil.copy(photos / "a.png", photos / "new.png")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}

    again = cli(*arguments)
    assert again.exit_code == 0
    assert numbers(again.stdout) == [4, 11, 1]  # 3 of the new image and the deleted one; the others; the text file
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert set(Counter((row["input"], row["target"]) for row in manifest(out)).values()) == {1}
    assert len(manifest(out)) == 16


def test_an_unreadable_image_fails_alone_and_is_tried_again(
    cli: Any, trained: Path, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    whole = (photos / "day/b.jpg").read_bytes()
    (photos / "day/b.jpg").write_bytes(whole[:200])
    arguments = ("run", photos, "--model", trained, "--out", out, "--batch", "2")

    first = cli(*arguments)
    assert first.exit_code == 3 and numbers(first.stdout) == [9, 3, 1]
    assert f"{photos / 'day/b.jpg'}: truncated" in first.stderr
    failed = [row for row in manifest(out) if row["status"] == "failed"]
    assert {(row["input"], row["reason"], row["output"]) for row in failed} == {
        (str(photos / "day/b.jpg"), "truncated", "")
    }
    assert cli(*arguments).exit_code == 3  # as long as it is bad
    assert len(manifest(out)) == 13

    (photos / "day/b.jpg").write_bytes(whole)
    repaired = cli(*arguments)
    assert repaired.exit_code == 0 and numbers(repaired.stdout) == [3, 9, 1]
    assert Counter(row["status"] for row in manifest(out)) == {"ok": 12, "left out": 1}


def test_run_accounts_for_files_that_it_does_not_read(cli: Any, trained: Path, photos: Path, tmp_path: Path) -> None:
    arguments = ("run", photos, "--model", trained, "--to", "car000", "--out", tmp_path / "out")
    first = cli(*arguments)
    assert first.exit_code == 0 and str(photos / "notes.txt") in first.stderr  # no picture
    for name in ("IMG_1.jxl", "IMG_2.jxl", "day/clip.mp4"):
        (photos / name).write_bytes(b"data")
    second = cli(*arguments)
    assert second.exit_code == 3 and numbers(second.stdout) == [0, 4, 4]
    lines = [line for line in second.stderr.splitlines() if "left out" in line]
    assert len(lines) == 3 and any("IMG_1.jxl" in line and "IMG_2.jxl" in line for line in lines)
    assert len(manifest(tmp_path / "out")) == 8


def test_an_input_replaced_under_its_own_name_is_translated_again(
    cli: Any, trained: Path, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = ("run", photos, "--model", trained, "--to", "car000", "--out", out)
    assert cli(*arguments).exit_code == 0
    Image.open(photos / "day/b.jpg").save(photos / "a.png")
    (out / "day/b.jpg.png").write_bytes(b"")
    assert numbers(cli(*arguments).stdout)[:2] == [2, 2]
    (out / "a.png").write_bytes(b"retouched")
    edited = cli(*arguments)
    assert edited.exit_code == 3 and numbers(edited.stdout) == [0, 3, 1, 1] and "a.png" in edited.stderr
    assert (out / "a.png").read_bytes() == b"retouched"


def test_files_with_odd_bytes_in_their_names_are_translated_and_listed(
    cli: Any, trained: Path, cars: Path, tmp_path: Path
) -> None:
    folder, out = tmp_path / "odd", tmp_path / "out"
    folder.mkdir()
    names = [b"caf\xe9.png", "ünï ☃.png".encode(), b"two\nlines.png", b"-dash.png", b"%d{}.png"]
    for name in names:
        shutil.copy(cars / "unseen/car003/el0_az00.png", folder / os.fsdecode(name))
    (folder / "bad\x1b[31m.png").write_bytes(b"\x89PNG broken")
    arguments = ("run", folder, "--model", trained, "--to", "car000", "--out", out)
    assert cli(*arguments).exit_code == 3
    assert {os.fsencode(row["output"]) for row in manifest(out) if row["status"] == "ok"} == set(names)
    assert numbers(cli(*arguments).stdout)[1] == len(names)


def test_without_a_model_the_newest_run_is_taken_and_named(
    cli: Any, trained: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for age, name in enumerate(("new", "old")):
        shutil.copytree(trained, tmp_path / "runs" / name)
        os.utime(tmp_path / "runs" / name / "model/config.json", (time.time() - 100 * age,) * 2)
    result = cli("run", photos, "--to", "car000")
    assert result.exit_code == 0 and "runs/new" in result.stderr
    assert (tmp_path / "translated/a.png").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_keeps_its_finished_outputs(
    cli: Any, trained: Path, cars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: Any, code: int
) -> None:
    out = tmp_path / "out"
    arguments = ("run", cars / "unseen/car003", "--model", trained, "--to", "car000", "--out", out, "--batch", "8")
    calls, write = iter(range(1000)), pipeline.write_temporary

    def stop(*arguments: Any) -> Any:
        if next(calls) == 60:  # some are finished by then, as fewer may wait
            signal.raise_signal(number)
        return write(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "write_temporary", stop)
        stopped = cli(*arguments)
    assert stopped.exit_code == code and stopped.stderr.splitlines()[-1].startswith("error: ")
    done = len(files(out) - {"manifest.jsonl"})
    assert 0 < done < 96
    finished = cli(*arguments)
    assert finished.exit_code == 0 and numbers(finished.stdout)[0] == 96 - done
    assert len(manifest(out)) == 96 and not list(out.rglob(".tmp-*"))


# --- sample and evaluate --------------------------------------------------------------------------------------------


def test_samples_follow_the_seed_and_the_domain(cli: Any, trained: Path, tmp_path: Path) -> None:
    def sample(name: str, *arguments: str) -> bytes:
        path = tmp_path / name
        assert cli("sample", "--model", trained, "--count", "5", "--out", path, *arguments).exit_code == 0
        return pixels(path).tobytes()

    first = sample("a.png", "--seed", "1")
    assert first == sample("b.png", "--seed", "1")
    assert first != sample("c.png", "--seed", "2")
    assert first != sample("d.png", "--seed", "1", "--domain", "car002")


def test_evaluate_agrees_with_an_independent_score(cli: Any, trained: Path, cars: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores"
    pairs = cars / "pairs_unseen.csv"
    assert cli("evaluate", trained, "--pairs", pairs, "--root", cars, "--out", out).exit_code == 0
    rows = list(csv.DictReader(pairs.open()))
    assert files(out) >= {"report.json", "pairs.png", "index.html"}
    assert files(out / "outputs") == {f"{i:06d}.png" for i in range(len(rows))}

    def load(path: Path) -> np.ndarray:
        image = Image.open(path).convert("RGB")
        return np.asarray(image if image.size == (16, 16) else image.resize((16, 16), Image.Resampling.BOX)) / 255

    scores: dict[tuple[str, str], list[float]] = {}
    for i, row in enumerate(rows):
        truth = load(cars / row["target"])
        copies = {f"copy_{name}": cars / row[name] for name in ("content", "style")}
        for name, path in {"output": out / f"outputs/{i:06d}.png", **copies}.items():
            image = load(path)
            psnr = -10 * np.log10(np.mean((image - truth) ** 2))
            ssim = structural_similarity(image, truth, channel_axis=2, data_range=1.0)
            scores.setdefault(("psnr", name), []).append(psnr)
            scores.setdefault(("ssim", name), []).append(ssim)
    report = json.loads((out / "report.json").read_text())
    assert report["pairs"] == {"n": len(rows)} and report["size"] == 16
    for (metric, name), values in scores.items():
        figure = report["metrics"][metric]
        found = figure["value"] if name == "output" else figure["baselines"][name]
        assert found == pytest.approx(np.mean(values), abs=1e-3)


def test_evaluate_refines_styles_by_inversion_when_asked(cli: Any, trained: Path, cars: Path, tmp_path: Path) -> None:
    reports = []
    for steps in ("0", "5"):
        out = tmp_path / steps
        arguments = ("--pairs", cars / "pairs_unseen.csv", "--root", cars, "--inversion-steps", steps, "--out", out)
        assert cli("evaluate", trained, *arguments).exit_code == 0
        reports.append(json.loads((out / "report.json").read_text()))
    assert [report["inversion_steps"] for report in reports] == [0, 5]
    first, second = (report["metrics"]["psnr"] for report in reports)
    assert first["value"] != second["value"] and first["baselines"] == second["baselines"]


def test_evaluate_takes_content_from_the_first_column_and_style_from_the_second(
    cli: Any, trained: Path, cars: Path, tmp_path: Path
) -> None:
    row = next(csv.DictReader((cars / "pairs_unseen.csv").open()))
    pairs = tmp_path / "one.csv"
    as_excel_has_it = f"\ufefftarget,content,style\n{row['target']},{row['content']},{row['style']}\n"
    pairs.write_text(as_excel_has_it, encoding="utf-8")
    assert cli("evaluate", trained, "--pairs", pairs, "--root", cars, "--out", tmp_path / "scores").exit_code == 0
    run = ("--model", trained, "--style", cars / row["style"], "--out", tmp_path / "run")
    assert cli("run", cars / row["content"], *run).exit_code == 0
    translated = pixels(tmp_path / "run" / Path(row["content"]).name).astype(int)
    assert abs(pixels(tmp_path / "scores/outputs/000000.png") - translated).max() <= 1


def test_the_demo_shows_its_metrics_and_resumes(
    cli: Any, tiny: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer cars and pairs and a smaller model than those of the command."""
    smaller = {"CARS": 2, "UNSEEN": 2, "SIZE": 16, "train": partial(train, set=tiny)}
    smaller["write_set"] = partial(write_set, pairs=20)
    for name, value in smaller.items():
        monkeypatch.setattr(demo, name, value)
    for _ in range(2):
        result = cli("demo", "--out", tmp_path / "demo", "--device", "cpu")
        assert result.exit_code == 0 and "PSNR" in result.stdout
        assert {"pairs.png", "report.json"} <= files(tmp_path / "demo/translations")
        assert "000019.png" in files(tmp_path / "demo/translations/outputs")
        page = (tmp_path / "demo/run/report.html").read_text()
        assert 'href="../translations/index.html"' in page and "<td>PSNR, dB</td>" in page


# --- training that stops --------------------------------------------------------------------------------------------


class At(Silent):
    """A display that calls `act` once the run logs that it has seen `images` images."""

    def __init__(self, images: int, act: Callable[[], object]) -> None:
        self.images, self.act, self.notes = images, act, list[str]()

    def note(self, text: str) -> None:
        self.notes.append(text)

    def step(self, fraction: float, text: str) -> None:
        if text.startswith(f"{self.images} images"):
            self.act()


def raising(number: signal.Signals) -> Callable[[], None]:
    return lambda: signal.raise_signal(number)


def test_a_run_that_was_stopped_and_resumed_has_the_weights_of_an_uninterrupted_one(
    cars: Path, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    settings = [*tiny, "training.images=160", "training.log_every=8"]
    train(cars / "train", "tiny", tmp_path / "straight", set=settings, device="cpu")
    resumed = tmp_path / "resumed"
    for images, number in (
        (40, signal.SIGTERM),
        (120, signal.SIGINT),
    ):  # in the VAE phase, and in the adversarial phase
        with pytest.raises(InterruptedRunError, match=str(images + 8)) as stop:  # after the step at hand
            train(cars / "train", "tiny", resumed, set=settings, device="cpu", display=At(images, raising(number)))
        assert stop.value.exit_code == 128 + number
    train(cars / "train", "tiny", resumed, set=settings, device="cpu")
    assert weights(resumed) == weights(tmp_path / "straight")
    logged = [json.loads(line)["images"] for line in (resumed / "log.jsonl").read_text().splitlines()]
    assert logged == list(range(8, 161, 8))


def test_a_run_under_nohup_ignores_sighup(cars: Path, tiny: tuple[str, ...], tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        display = At(8, raising(signal.SIGHUP))
        settings = [*tiny, "training.images=16", "training.log_every=8"]
        assert train(cars / "train", "tiny", tmp_path / "run", set=settings, device="cpu", display=display).is_dir()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_ends_training_with_its_exit_code_and_the_command_resumes(
    cli: Any, command: Any, cars: Path, options: Options, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    arguments = ("train", "--domains", cars / "train", "--out", run)
    endless = options("training.images=100000000", "training.log_every=80")  # never reached: a signal ends training
    for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        process = command(*arguments, *endless)
        assert any("/s " in line for line in iter(process.stderr.readline, ""))  # images per second: it is training
        process.send_signal(number)
        rest = process.stderr.read()
        assert process.wait() == code
        assert rest.splitlines()[-1].startswith("error: ") and "Traceback" not in rest
    seen = numbers(rest.splitlines()[-1])[0]
    finished = cli(*arguments, *options(f"training.images={seen + 80}", "training.log_every=80"))
    assert seen > 0 and finished.exit_code == 0 and seen in numbers(finished.stderr)
    assert json.loads((run / "log.jsonl").read_text().splitlines()[-1])["images"] == seen + 80


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_images_are_read_is_one_line(
    cli: Any, cars: Path, options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: Any, code: int
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))  # where no image is decoded yet
    fit, once = reader.fit, iter([number])  # many threads read images: a second signal would find no handler left

    def stop(*arguments: Any) -> Any:
        for signal_number in once:
            signal.raise_signal(signal_number)
        return fit(*arguments)

    monkeypatch.setattr(reader, "fit", stop)
    result = cli("train", "--domains", cars / "train", "--out", tmp_path / "run", *options())
    assert result.exit_code == code
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert not (tmp_path / "run/state").exists()


def test_a_finished_run_is_not_trained_again(
    cli: Any, cars: Path, options: Options, trained: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    result = cli("train", "--domains", cars / "train", "--out", run, *options())
    assert result.exit_code == 0 and 400 in numbers(result.stderr)
    assert weights(run) == weights(trained)


def test_a_larger_budget_resumes_and_another_recipe_is_an_error(
    cli: Any, cars: Path, options: Options, trained: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    arguments = ("train", "--domains", cars / "train", "--out", run)
    expect_error(cli(*arguments, *options("training.lr=0.1")), 2, "training.lr", "0.1")
    assert weights(run) == weights(trained)
    assert cli(*arguments, *options("training.images=480")).exit_code == 0
    assert weights(run) != weights(trained)


def test_two_processes_never_train_in_one_folder(
    command: Any, cars: Path, tiny: tuple[str, ...], options: Options, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    seen = []

    def intrude() -> None:
        process = command("train", "--domains", cars / "train", "--out", run, *options())
        seen.append((process.communicate()[1], process.returncode))

    settings = [*tiny, "training.images=16", "training.log_every=8"]
    train(cars / "train", "tiny", run, set=settings, device="cpu", display=At(8, intrude))
    ((stderr, code),) = seen
    assert code == 2 and str(run) in stderr and "--out" in stderr


# --- recipes and environment -----------------------------------------------------------------------------------------


def test_recipes_are_listed_and_shown_as_valid_toml(cli: Any) -> None:
    names = [line.split()[0] for line in cli("recipes").stdout.splitlines()]
    assert {"tiny", "style", "conv", "cifar10", "synthesis-128"} <= set(names)
    for name in set(names) - {"style"}:
        assert tomllib.loads(cli("recipes", "show", name).stdout).keys() >= {"data", "model", "objective", "training"}
    shown = cli("recipes", "show", "style").stdout
    for name in ("style", "pictures", "objects"):
        assert cli("recipes", "show", name).stdout.rstrip() in shown


@pytest.mark.parametrize("name", ["tiny", "style", "conv"])
def test_a_dry_run_prints_the_whole_recipe_and_writes_nothing(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    Image.new("RGB", (70, 90), "red").save(tmp_path / "a" / "1.png")
    result = cli("train", "--domains", ".", "--recipe", name, "--dry-run", "--set", "training.images=77")
    assert result.exit_code == 0, result.stderr
    recipe = tomllib.loads(result.stdout)
    assert recipe["training"]["images"] == 77 and recipe["training"]["seed"] == 0
    assert recipe["data"]["size"] >= 32 and recipe["data"]["batch"] >= 32
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_env_names_versions_and_devices(cli: Any) -> None:
    facts = dict(line.split(maxsplit=1) for line in cli("env").stdout.splitlines())
    assert facts.keys() >= {"python", "torch", "sivae-translate", "pillow", "cores", "gpus", "device", "precision"}


def test_version_is_the_package_s(cli: Any) -> None:
    from importlib.metadata import version

    assert cli("--version").stdout.strip() == version("sivae-translate")


def test_help_has_every_command(cli: Any) -> None:
    commands = {"demo", "train", "run", "sample", "check", "cars", "recipes", "env", "evaluate", "ood", "fidelity"}
    commands |= {"interpolate", "mix", "direction", "edit", "reconstruct"}
    assert commands <= set(cli("--help").stdout.split())


def test_a_closed_pipe_ends_a_command_without_a_traceback(command: Any) -> None:
    process = command("recipes", "show", "style")
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 1
