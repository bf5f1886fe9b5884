"""Bad input of `push`, and bad names of models. The tests allow no network."""

from __future__ import annotations

from bad_input.workspace import Case, Workspace


def use(w: Workspace, model: str) -> list[object]:
    return ["run", w.view, "--model", model]


def push(
    w: Workspace, *words: object, model: object = None, name: str = "me/cars", license: str = "mit"
) -> list[object]:
    return ["push", model or w.trained, name, "--license", license, "--dry-run", *words]


REPORT = '{"made_by": "sivae-translate", "kind": "evaluate"}'

CASES = [
    Case("run: name without a network", lambda w: use(w, "me/cars"), 1, ["me/cars", "HF_HUB_OFFLINE"]),
    Case("run: name the hub never gives", lambda w: use(w, "a--b/c"), 2, ["a--b/c", "--"]),
    Case("run: misspelt shipped model", lambda w: use(w, "car"), 2, ["car", "cars"]),
    Case("run: misspelt path like a name", lambda w: use(w, f"{w.folder('runs').name}/x"), 2, ["runs/x"]),
    Case("push: no user", lambda w: push(w, name="cars"), 2, ["'cars'", "user/name"]),
    Case("push: revision", lambda w: push(w, name="me/cars@v1"), 2, ["me/cars@v1", "user/name"]),
    Case("push: licence in words", lambda w: push(w, license="free for all"), 2, ["free for all", "cc-by-4.0"]),
    Case("push: missing model", lambda w: push(w, model="nowhere/at/all"), 2, ["nowhere/at/all"]),
    Case("push: no report", lambda w: push(w, "--report", w.folder("empty")), 2, ["empty", "evaluate"]),
    Case("push: broken report", lambda w: push(w, "--report", w.make("report.json", REPORT)), 2,
         ["report.json", "evaluate"]),
    Case("push: output exists", lambda w: push(w, "--out", w.make("out/x").parent), 2, ["out-2", "--out"]),
    Case("push: no network", lambda w: push(w)[:-1], 2, ["HF_HUB_OFFLINE"]),
]  # fmt: skip

VARIANTS = [
    Case("ood: threshold of a shipped model",
         lambda w: ["ood", "cars", "--in", w.views, "--set-threshold", "0.9"], 2, ["cars", "cp -rL"]),
    Case("push: markup as licence", lambda w: push(w, license="mit\n---"), 2, ["mit", "cc-by-4.0"]),
    Case("push: a file as model", lambda w: push(w, model=w.view), 2, ["el0_az00.png"]),
    Case("push: file as output", lambda w: push(w, "--out", w.make("out")), 2, ["out-2", "--out"]),
]  # fmt: skip
