"""Bad input of `export`."""

from __future__ import annotations

from bad_input.workspace import Case, Workspace


def export(w: Workspace, *words: object, model: object = None, out: object = "exported") -> list[object]:
    return ["export", model or w.trained, "--format", "torch-export", "--out", out, *words]


CASES = [
    Case("export: folder exists", lambda w: export(w, out=w.folder("there")), 2, ["there", "there-2"]),
    Case("export: output below a file", lambda w: export(w, out=w.make("file") / "out"), 2, ["file", "--out"]),
    Case("export: unknown format", lambda w: ["export", w.trained, "--format", "onyx"], 2, ["onyx", "onnx"]),
    Case("export: missing model", lambda w: export(w, model="nowhere"), 2, ["nowhere"]),
    Case("export: missing images", lambda w: export(w, "--verify", "nowhere"), 2, ["nowhere"]),
    Case("export: no image to verify on", lambda w: export(w, "--verify", w.folder("empty")), 2, ["empty"]),
]

VARIANTS = [
    Case("export: file exists", lambda w: export(w, out=w.make("there.onnx")), 2, ["there.onnx", "there-2.onnx"]),
    Case("export: unreadable images", lambda w: export(w, "--verify", w.images(0, 1)), 2, ["bad0.png"]),
]
