"""Bad input of `check`, `cars`, `demo`, `recipes` and `train`."""

from __future__ import annotations

from bad_input.workspace import Case, Workspace


def train(w: Workspace, *words: object) -> list[object]:
    return ["train", "--domains", w.cars / "train", *words]


CASES = [
    Case("check: no readable image", lambda w: ["check", w.unreadable()], 2, ["unreadable", "1.png"]),
    Case("train: no folder", lambda w: ["train"], 2, ["sivae-translate train"]),
    Case(
        "train: folders of one name",
        lambda w: ["train", w.make("a/x/1.png").parent, w.make("b/x/1.png").parent],
        2,
        ["a/x", "b/x"],
    ),
    Case(
        "train: folder in a folder",
        lambda w: ["train", w.cars / "unseen", "--domains", w.views],
        2,
        ["car003", "unseen"],
    ),
    Case("train: folder twice", lambda w: ["train", w.views, w.views], 2, ["car003", "twice"]),
    Case(
        "train: run among the images of the second folder",
        lambda w: ["train", w.views, w.other_views, "--out", w.other_views / "run"],
        2,
        ["car004", "--out"],
    ),
    Case("train: missing folder", lambda w: ["train", "--domains", "nowhere"], 2, ["nowhere"]),
    Case("train: empty folder", lambda w: ["train", "--domains", w.folder("empty")], 2, ["empty"]),
    Case("train: file for a folder", lambda w: ["train", "--domains", w.view], 2, ["el0_az00.png"]),
    Case("train: unknown recipe", lambda w: train(w, "--recipe", "tinny"), 2, ["tinny", "tiny"]),
    Case("train: missing recipe file", lambda w: train(w, "--recipe", "my.toml"), 2, ["my.toml"]),
    Case("train: recipe no TOML", lambda w: train(w, "--recipe", w.make("my.toml", "[data")), 2, ["my.toml"]),
    Case("train: unknown key", lambda w: train(w, "--set", "training.image=1"), 2, ["training.image", "images"]),
    Case("train: unknown section", lambda w: train(w, "--set", "train.images=1"), 2, ["train", "training"]),
    Case("train: no assignment", lambda w: train(w, "--set", "images"), 2, ["images", "="]),
    Case("train: text for a number", lambda w: train(w, "--set", "training.images=many"), 2, ["training.images"]),
    Case("train: negative white", lambda w: train(w, "--set", "data.white=-1"), 2, ["data.white", "-1"]),
    Case("train: impossible size", lambda w: train(w, "--set", "data.size=33"), 2, ["data.size", "33"]),
    Case("train: impossible width", lambda w: train(w, "--set", "model.width=1"), 2, ["model.width", "1"]),
    Case("train: unknown model", lambda w: train(w, "--set", "model.name=stile"), 2, ["stile", "style"]),
    Case("train: no budget", lambda w: train(w, "--set", "training.minutes=0"), 2, ["training.images"]),
    Case("train: file for a run", lambda w: train(w, "--out", w.make("file")), 2, ["file", "--out"]),
    Case("train: run below a file", lambda w: train(w, "--out", w.make("file") / "run"), 2, ["file/run", "--out"]),
    Case("train: run among the images", lambda w: train(w, "--out", w.cars / "train/run"), 2, ["train/run", "--out"]),
    Case(
        "train: model without a state",
        lambda w: train(w, "--out", w.run_of("model/config.json")),
        2,
        ["state", "--out"],
    ),
    Case("train: recipe of something else", lambda w: train(w, "--out", w.run_of("recipe.toml")), 2, ["recipe.toml"]),
    Case("train: table of something else", lambda w: train(w, "--out", w.run_of("results.csv")), 2, ["results.csv"]),
    Case(
        "train: batch without equal slices",
        lambda w: train(w, "--set", "data.batch=32", "--set", "training.accumulate=3"),
        2,
        ["data.batch", "accumulate", "36"],
    ),
    Case("train: too large a seed", lambda w: train(w, "--set", "training.seed=4294967296"), 2, ["training.seed"]),
    Case(
        "train: capture without a GPU",
        lambda w: train(w, "--set", "training.capture=true", "--device", "cpu"),
        2,
        ["training.capture", "cpu", "GPU"],
    ),
    Case("train: no batch", lambda w: train(w, "--batch", "0"), 2, ["--batch 0", "auto", "64"]),
    Case("train: odd batch", lambda w: train(w, "--batch", "7"), 2, ["data.batch", "7"]),
    Case("train: GPUs and CPU", lambda w: train(w, "--gpus", "2", "--device", "cpu"), 2, ["--gpus 2", "torchrun"]),
    Case("train: no model to grow", lambda w: train(w, "--grow", w.folder("empty")), 1, ["empty"]),
    Case("train: unknown tracker", lambda w: train(w, "--log", "tensorbord"), 2, ["tensorbord", "tensorboard"]),
    Case("cars: full folder", lambda w: ["cars", w.make("full/file").parent], 2, ["full"]),
    Case("cars: too few cars", lambda w: ["cars", w.here / "new", "--cars", "1"], 2, ["cars", "1"]),
]

VARIANTS = [
    Case("train: text for a batch", lambda w: train(w, "--batch", "x"), 2, ["--batch x", "auto"]),
    Case("train: missing GPUs", lambda w: train(w, "--gpus", "99"), 2, ["--gpus 99"]),
    Case("train: no GPUs", lambda w: train(w, "--gpus", "0"), 2, ["--gpus 0"]),
    Case("check: unknown recipe", lambda w: ["check", w.cars / "train", "--recipe", "stile"], 2, ["stile", "style"]),
    Case(
        "train: nearly all images held out", lambda w: train(w, "--set", "data.holdout=0.9"), 2, ["data.holdout", "0.5"]
    ),
    Case("check: no folder", lambda w: ["check"], 2, ["sivae-translate check"]),
    Case("check: missing folder", lambda w: ["check", "nowhere"], 2, ["nowhere"]),
    Case("recipes: unknown recipe", lambda w: ["recipes", "show", "styel"], 2, ["styel", "style"]),
    Case("demo: file for a folder", lambda w: ["demo", "--out", w.make("file")], 2, ["file", "--out"]),
    Case("train: unknown objective", lambda w: train(w, "--set", "objective.name=gan"), 2, ["gan", "soft-introvae"]),
    Case("train: no readable image", lambda w: ["train", "--domains", w.unreadable()], 2, ["unreadable", "1.png"]),
    Case("train: missing device", lambda w: train(w, "--device", "cuda:99"), 2, ["cuda:99", "cpu"]),
]
