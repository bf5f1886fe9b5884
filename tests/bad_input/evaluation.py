"""Bad input of `evaluate`, `fidelity` and `ood`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from bad_input.workspace import Case, Workspace
from sivae_translate.evaluation.extractors import INCEPTION_URL

HEADER = "content,style,target"


def evaluate(w: Workspace, *words: object) -> list[object]:
    return ["evaluate", w.trained, *words]


def on_pairs(w: Workspace, *words: object) -> list[object]:
    return evaluate(w, "--pairs", w.cars / "pairs_unseen.csv", "--root", w.cars, *words)


def on_lines(w: Workspace, *lines: str, root: str = "") -> list[object]:
    return evaluate(w, "--pairs", w.make("pairs.csv", "\n".join(lines)), "--root", w.cars / root)


def on_domains(w: Workspace, *words: object) -> list[object]:
    return evaluate(w, "--domains", w.cars / "train", *words)


def fidelity(w: Workspace, *words: object, real: object = None) -> list[object]:
    return ["fidelity", w.trained, "--real", real or w.cars / "unseen", *words]


def ood(w: Workspace, *words: object) -> list[object]:
    return ["ood", w.trained, "--in", w.view, *words]


def one_domain(w: Workspace) -> Path:
    shutil.copytree(w.views, w.here / "one/car003")
    return w.here / "one"


EVALUATE = [
    Case("evaluate: no data", lambda w: evaluate(w), 2, ["--pairs", "--root", "--domains"]),
    Case("evaluate: two models", lambda w: ["evaluate", "a", "--model", "b", "--domains", w.cars / "train"], 2,
         ["a", "--model b"]),
    Case("evaluate: root alone", lambda w: on_domains(w, "--root", w.cars), 2, ["--root", "--pairs"]),
    Case("evaluate: pairs alone", lambda w: evaluate(w, "--pairs", "x.csv"), 2, ["--pairs", "--root"]),
    Case("evaluate: label alone", lambda w: on_pairs(w, "--content-label", "(a)"), 2,
         ["--content-label", "--domains"]),
    Case("evaluate: missing pairs", lambda w: evaluate(w, "--pairs", "none.csv", "--root", w.cars), 2,
         ["none.csv", HEADER]),
    Case("evaluate: other columns", lambda w: on_lines(w, "a,b", "1,2"), 2, ["pairs.csv", "a,b", HEADER]),
    Case("evaluate: no rows", lambda w: on_lines(w, HEADER), 2, ["pairs.csv"]),
    Case("evaluate: missing file", lambda w: on_lines(w, HEADER, "a.png,b.png,c.png"), 2,
         ["pairs.csv", "line 2", "a.png"]),
    Case("evaluate: path outside the root",
         lambda w: on_lines(w, HEADER, ",".join(["../unseen/car003/el0_az00.png"] * 3), root="train"), 2,
         ["line 2", "../unseen/car003/el0_az00.png"]),
    Case("evaluate: other files in the output", lambda w: on_pairs(w, "--out", w.make("full/report.json", "{}").parent),
         2, ["full", "-2"]),
    Case("evaluate: output below a file", lambda w: on_pairs(w, "--out", w.make("file") / "out"), 2, ["file/out"]),
    Case("evaluate: images as output", lambda w: on_pairs(w, "--out", w.views), 2, ["car003", "--out"]),
    Case("evaluate: one domain", lambda w: evaluate(w, "--domains", one_domain(w)), 2, ["one"]),
    Case("evaluate: broken pattern", lambda w: on_domains(w, "--content-label", "az("), 2, ["--content-label", "az("]),
    Case("evaluate: pattern without a group", lambda w: on_domains(w, "--content-label", "az"), 2,
         ["--content-label", "az"]),
    Case("evaluate: pattern of no file", lambda w: on_domains(w, "--content-label", "(z{9})"), 2,
         ["--content-label", "(z{9})"]),
    Case("evaluate: images too small for LPIPS", lambda w: on_pairs(w, "--lpips", w.make("alexnet.pth", b"PK")), 2,
         ["16", "32", "LPIPS"]),
]  # fmt: skip

FIDELITY = [
    Case("fidelity: empty folder", lambda w: fidelity(w, real=w.folder("empty")), 2, ["empty", "JPEG"]),
    Case("fidelity: too few images", lambda w: fidelity(w, real=w.images(19)), 2, ["images", "19", "20"]),
    Case("fidelity: too few readable", lambda w: fidelity(w, real=w.images(19, 1)), 2, ["19", "bad0.png", "20"]),
    Case("fidelity: small count", lambda w: fidelity(w, "--count", 19), 2, ["count", "19", "20"]),
    Case("fidelity: missing weights", lambda w: fidelity(w, "--inception", "none.pth"), 2, ["none.pth"]),
    Case("fidelity: folder of weights", lambda w: fidelity(w, "--inception", w.folder("weights")), 2,
         ["weights", INCEPTION_URL]),
    Case("fidelity: other weights", lambda w: fidelity(w, "--inception", w.make("other.pth", b"PK")), 2,
         ["other.pth", "6726825d", INCEPTION_URL]),
    Case("fidelity: output among the images", lambda w: fidelity(w, "--out", w.cars / "unseen/x"), 2,
         ["unseen", "--out"]),
    Case("fidelity: equal images", lambda w: fidelity(w, real=w.images(41, equal=True)), 2, ["images"]),
]  # fmt: skip

OOD = [
    Case("ood: one set", lambda w: ood(w), 2, ["--out-of", "--set-threshold"]),
    Case("ood: equal sets", lambda w: ood(w, "--out-of", w.view), 2, ["el0_az00.png"]),
    Case("ood: beta 0", lambda w: ood(w, "--out-of", w.other, "--beta", 0), 2, ["beta", "0"]),
]  # fmt: skip

CASES = [*EVALUATE, *FIDELITY, *OOD]

VARIANTS = [
    Case("evaluate: short row", lambda w: on_lines(w, HEADER, "a.png"), 2, ["pairs.csv", "line 2"]),
    Case("evaluate: no readable image", lambda w: evaluate(w, "--domains", w.unreadable()), 2, ["1.png"]),
    Case("evaluate: single latent",
         lambda w: ["evaluate", w.untrained("conv", "a", "b"), *on_domains(w)[2:]], 2, ["--recipe style"]),
    Case("evaluate: count 0", lambda w: on_domains(w, "--count", 0), 2, ["count", "0"]),
    Case("fidelity: missing folder", lambda w: fidelity(w, real="nowhere"), 2, ["nowhere"]),
    Case("fidelity: none readable", lambda w: fidelity(w, real=w.images(0, 25)), 2, ["bad"]),
    Case("fidelity: no model", lambda w: ["fidelity", w.views, "--real", w.views], 1, ["car003", "model.safetensors"]),
    Case("evaluate: no run found", lambda w: ["evaluate", "--domains", w.cars / "train"], 2, ["runs/", "--model"]),
    Case("fidelity: two models", lambda w: ["fidelity", "a", "--model", "b", "--real", w.views], 2, ["--model b"]),
    Case("ood: two models", lambda w: ["ood", "a", "--model", "b", "--in", w.view, "--out-of", w.other], 2,
         ["--model b"]),
    Case("ood: missing set", lambda w: ood(w, "--out-of", "nowhere"), 2, ["nowhere"]),
    Case("ood: unreadable set", lambda w: ood(w, "--out-of", w.images(0, 1)), 2, ["bad0.png"]),
    Case("ood: output among the images", lambda w: ood(w, "--out-of", w.other_views, "--out", w.other_views / "x"), 2,
         ["car004", "--out"]),
    Case("ood: file as output", lambda w: ood(w, "--out-of", w.other, "--out", w.make("file")), 2, ["file", "--out"]),
    Case("evaluate: empty pairs", lambda w: on_lines(w), 2, ["pairs.csv", HEADER]),
    Case("ood: other files in the output", lambda w: ood(w, "--out-of", w.other, "--out", w.make("full/x").parent), 2,
         ["full", "-2"]),
    Case("ood: output below a file", lambda w: ood(w, "--out-of", w.other, "--out", w.make("file") / "out"), 2,
         ["file/out"]),
    Case("fidelity: other files in the output", lambda w: fidelity(w, "--out", w.make("full/x").parent), 2,
         ["full", "-2"]),
    Case("fidelity: output below a file", lambda w: fidelity(w, "--out", w.make("file") / "out"), 2, ["file/out"]),
    Case("evaluate: file as output", lambda w: on_pairs(w, "--out", w.make("file")), 2, ["file", "--out"]),
    Case("evaluate: missing domains", lambda w: evaluate(w, "--domains", "nowhere"), 2, ["nowhere"]),
    Case("evaluate: bare images", lambda w: evaluate(w, "--domains", w.views), 2, ["car003"]),
    Case("evaluate: domains as output", lambda w: on_domains(w, "--out", w.cars / "train/x"), 2, ["train", "--out"]),
    Case("evaluate: other weights", lambda w: on_pairs(w, "--inception", w.make("other.pth", b"PK")), 2,
         ["other.pth", "6726825d"]),
    Case("fidelity: one image", lambda w: fidelity(w, real=w.view), 2, ["el0_az00.png", "20"]),
    Case("fidelity: negative count", lambda w: fidelity(w, "--count", -1), 2, ["count", "-1"]),
    Case("fidelity: images as output", lambda w: fidelity(w, "--out", w.cars / "unseen"), 2, ["unseen", "--out"]),
    Case("fidelity: relative path of the images",
         lambda w: fidelity(w, "--out", w.cars / "unseen/x", real=os.path.relpath(w.cars / "unseen")), 2,
         ["unseen", "--out"]),
    Case("fidelity: file as output", lambda w: fidelity(w, "--out", w.make("file")), 2, ["file", "--out"]),
    Case("fidelity: missing device", lambda w: fidelity(w, "--device", "abacus"), 2, ["abacus", "cpu"]),
    Case("fidelity: missing model", lambda w: ["fidelity", "nowhere", "--real", w.views], 2, ["nowhere"]),
    Case("ood: empty set", lambda w: ood(w, "--out-of", w.folder("empty")), 2, ["empty"]),
    Case("ood: threshold of an empty set",
         lambda w: ["ood", w.trained, "--in", w.folder("empty"), "--set-threshold", 0.9], 2, ["empty"]),
    Case("ood: missing model", lambda w: ["ood", "nowhere", "--in", w.view, "--out-of", w.other], 2, ["nowhere"]),
    Case("ood: no model", lambda w: ["ood", w.views, "--in", w.view, "--out-of", w.other], 1, ["model.safetensors"]),
]  # fmt: skip
