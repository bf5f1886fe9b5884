"""Bad input of `dataset` and `toy`."""

from __future__ import annotations

from pathlib import Path

from synthetic_sets import FIRST, NAMES, write_synthetic

from bad_input.workspace import Case, Workspace


def toy(w: Workspace, *words: object) -> list[object]:
    return ["toy", "--out", w.here / "out", *words]


def truncated(name: str) -> list[object]:
    write_synthetic(name, Path("data"))
    file = Path("data", FIRST[name])
    file.write_bytes(file.read_bytes()[:-9])
    return ["dataset", name, "set"]


def full_folder(w: Workspace) -> list[object]:
    write_synthetic("mnist", Path("data"))
    w.make("set/mine")
    return ["dataset", "mnist", "set"]


def missing_files(name: str) -> Case:
    command = f"sivae-translate dataset {name} 'my set' --root data --download"
    return Case(f"dataset: no files of {name}", lambda w: ["dataset", name, "my set"], 2, [FIRST[name], command])


def no_network(name: str) -> Case:
    words: list[object] = ["dataset", name, "set", "--root", "there", "--download"]
    return Case(f"dataset: no network for {name}", lambda w: words, 1, ["http", "there"])


def truncated_file(name: str) -> Case:
    return Case(f"dataset: truncated {name}", lambda w: truncated(name), 1, [f"data/{FIRST[name]}"])


SETTINGS = {  # of `toy`
    "unknown objective": (["--objective", "soft-introvea"], ["soft-introvea", "soft-introvae"]),
    "unknown key": (["--set", "objective.beta_nge=1"], ["objective.beta_nge", "beta_neg"]),
    "unknown section": (["--set", "data.batch=4"], ["data", "objective", "training"]),
    "negative beta_neg": (["--set", "objective.beta_neg=-1"], ["objective.beta_neg", "-1"]),
    "odd batch": (["--set", "training.batch=3"], ["training.batch", "3"]),
}
MORE_SETTINGS = {
    "unknown dataset": (["--dataset", "ring"], ["ring", "rings"]),
    "unknown objective by --set": (["--set", "objective.name=gan"], ["gan", "vae"]),
    "unknown training key": (["--set", "training.epochs=3"], ["training.epochs"]),
    "no section": (["--set", "beta_neg=1"], ["beta_neg=1"]),
    "text for a number": (["--set", "training.lr=fast"], ["training.lr", "fast"]),
    "negative seed": (["--seed", "-1"], ["training.seed", "-1"]),
}


def settings(table: dict[str, tuple[list[str], list[str]]]) -> list[Case]:
    return [
        Case(f"toy: {name}", lambda w, words=words: toy(w, *words), 2, parts) for name, (words, parts) in table.items()
    ]


CASES = [
    missing_files("mnist"),
    no_network("mnist"),
    truncated_file("cifar10"),
    truncated_file("mnist"),
    Case("dataset: full folder", full_folder, 2, ["/set", "/set-2"]),
    Case("dataset: unknown name", lambda w: ["dataset", "minst", "set"], 2, ["minst", "mnist"]),
    *settings(SETTINGS),
    Case("toy: option before the table", lambda w: ["toy", "--steps", "2", "table"], 2, ["--steps", "table"]),
]

VARIANTS = [
    Case("toy: file as output", lambda w: ["toy", "--out", __file__], 2, [__file__]),
    Case("toy: other files in the output", lambda w: ["toy", "--out", w.make("full/mine").parent], 2, ["full", "-2"]),
    *(missing_files(name) for name in NAMES if name != "mnist"),
    *(no_network(name) for name in NAMES if name != "mnist"),
    *(truncated_file(name) for name in ("fashion-mnist", "svhn")),
    Case("dataset: folder around the files", lambda w: ["dataset", "svhn", "."], 2, ["--root"]),
    Case("dataset: name unlike any", lambda w: ["dataset", "imagenet", "set"], 2, ["imagenet", *NAMES]),
    *settings(MORE_SETTINGS),
]
