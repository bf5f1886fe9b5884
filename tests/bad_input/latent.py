"""Bad input of `interpolate`, `mix`, `direction`, `edit` and `reconstruct`."""

from __future__ import annotations

from bad_input.workspace import Case, Workspace


def strip(w: Workspace, *words: object, a: object = None, b: object = None, model: object = None) -> list[object]:
    return ["interpolate", a or w.view, b or w.other, "--model", model or w.trained, *words]


def mix(w: Workspace, *words: object, a: object = None, b: object = None, model: object = None) -> list[object]:
    return ["mix", a or w.views, b or w.other_views, "--model", model or w.trained, *words]


def find(w: Workspace, *words: object, a: object = None, b: object = None) -> list[object]:
    return ["direction", a or w.views, b or w.other_views, "--model", w.trained, *words]


def edit(w: Workspace, file: object, *words: object) -> list[object]:
    return ["edit", w.view, "--direction", file, "--model", w.trained, *words]


def reconstruct(w: Workspace, *words: object, source: object = None) -> list[object]:
    return ["reconstruct", source or w.views, "--model", w.trained, *words]


CASES = [
    Case("interpolate: one step", lambda w: strip(w, "--steps", "1"), 2, ["steps", "1"]),
    Case("interpolate: unknown part", lambda w: strip(w, "--what", "pose"), 2, ["pose", "content", "style", "both"]),
    Case("interpolate: unknown suffix", lambda w: strip(w, "--out", "x.avi"), 2, ["x.avi", ".gif", ".webp", "--out"]),
    Case("interpolate: input as output", lambda w: strip(w, "--out", w.other), 2, ["el3_az05.png", "--out"]),
    Case("interpolate: picture exists", lambda w: strip(w, "--out", w.make("x.gif")), 2, ["x.gif", "-2.gif"]),
    Case("interpolate: missing image", lambda w: strip(w, b="nowhere.png"), 2, ["nowhere.png"]),
    Case("interpolate: unreadable image", lambda w: strip(w, a=w.make("bad.png", "text")), 2, ["bad.png"]),
    Case("interpolate: folder as image", lambda w: strip(w, a=w.views), 2, ["car003"]),
    Case("interpolate: style of a single latent",
         lambda w: strip(w, "--what", "style", model=w.untrained("conv", "a")), 2, ["content", "both"]),
    Case("interpolate: content for both", lambda w: strip(w, "--content", w.view), 2, ["both", "style"]),
    Case("mix: count 0", lambda w: mix(w, "--count", "0"), 2, ["count", "0"]),
    Case("edit: missing direction", lambda w: edit(w, "nowhere.safetensors"), 2, ["nowhere.safetensors"]),
    Case("edit: pickle", lambda w: edit(w, w.make("x.safetensors", b"\x80\x04K\x01.")), 2,
         ["x.safetensors", "sivae-translate direction"]),
    Case("edit: weights as direction", lambda w: edit(w, w.trained / "model/model.safetensors"), 2,
         ["model.safetensors", "sivae-translate direction"]),
    Case("edit: strength no number", lambda w: edit(w, "x.safetensors", "--strength", "much"), 2, ["much"]),
    Case("reconstruct: negative inversion steps", lambda w: reconstruct(w, "--inversion-steps", "-1"), 2,
         ["inversion_steps", "-1"]),
    Case("reconstruct: output exists", lambda w: reconstruct(w, "--out", w.make(f"out/{w.view.name}").parent), 2,
         ["el0_az00.png", "--out"]),
]  # fmt: skip

VARIANTS = [
    Case("mix: picture exists", lambda w: ["mix", w.views, w.views, "--model", w.trained, "--out", w.make("x.png")], 2,
         ["x.png", "-2.png"]),
    Case("edit: picture exists", lambda w: edit(w, "x.safetensors", "--out", w.make("x.png")), 2, ["x.png", "-2.png"]),
    Case("interpolate: folder as output", lambda w: strip(w, "--out", w.folder("x.png")), 2, ["x.png", "--out"]),
    Case("mix: missing styles", lambda w: mix(w, b="nowhere"), 2, ["nowhere"]),
    Case("mix: unreadable contents", lambda w: mix(w, a=w.images(0, 1)), 2, ["bad0.png"]),
    Case("mix: animated", lambda w: mix(w, "--out", "x.gif"), 2, ["x.gif", ".png", ".jpg", ".webp"]),
    Case("mix: output among the inputs", lambda w: mix(w, "--out", w.other_views / "deep/mix.png"), 2,
         ["deep/mix.png", "--out"]),
    Case("direction: no image", lambda w: find(w, a=w.folder("empty")), 2, ["empty"]),
    Case("direction: picture as output", lambda w: find(w, "--out", "up.png"), 2,
         ["up.png", ".safetensors", "--out"]),
    Case("direction: weights as output", lambda w: find(w, "--out", w.trained / "model/model.safetensors"), 2,
         ["model.safetensors", "--out"]),
    Case("reconstruct: inputs as output", lambda w: reconstruct(w, "--out", w.views), 2, ["car003", "--out"]),
    Case("edit: corrupt direction", lambda w: edit(w, w.make("x.safetensors", b"junk" * 20)), 2,
         ["x.safetensors", "sivae-translate direction"]),
    Case("interpolate: no steps", lambda w: strip(w, "--steps", "0"), 2, ["steps", "0"]),
    Case("interpolate: no suffix", lambda w: strip(w, "--out", "x"), 2, [".png"]),
    Case("interpolate: no run found", lambda w: ["interpolate", w.view, w.other], 2, ["runs/"]),
    Case("interpolate: content for content", lambda w: strip(w, "--content", w.view, "--what", "content"), 2,
         ["content", "style"]),
    Case("interpolate: missing content", lambda w: strip(w, "--content", "nowhere.png", "--what", "style"), 2,
         ["nowhere.png"]),
    Case("interpolate: content as output",
         lambda w: strip(w, "--content", w.views / "el1_az00.png", "--what", "style", "--out",
                         w.views / "el1_az00.png"), 2, ["el1_az00.png", "--out"]),
    Case("interpolate: content and a single latent",
         lambda w: strip(w, "--content", w.view, "--what", "style", model=w.untrained("conv", "a")), 2,
         ["content", "both"]),
    Case("mix: no content", lambda w: mix(w, a=w.folder("empty")), 2, ["empty"]),
    Case("mix: single latent", lambda w: mix(w, model=w.untrained("conv", "a")), 2, ["--recipe style"]),
    Case("direction: missing folder", lambda w: find(w, b="nowhere"), 2, ["nowhere"]),
    Case("direction: output among the inputs", lambda w: find(w, "--out", w.views / "up.safetensors"), 2,
         ["up.safetensors", "--out"]),
    Case("edit: one step of a range", lambda w: edit(w, "x.safetensors", "--steps", "1"), 2, ["steps", "1"]),
    Case("edit: image as output", lambda w: edit(w, "x.safetensors", "--out", w.view), 2, ["el0_az00.png", "--out"]),
    Case("edit: empty direction", lambda w: edit(w, w.make("x.safetensors")), 2, ["x.safetensors"]),
    Case("reconstruct: missing input", lambda w: reconstruct(w, source="nowhere"), 2, ["nowhere"]),
    Case("reconstruct: empty folder", lambda w: reconstruct(w, source=w.folder("empty")), 2, ["empty"]),
    Case("reconstruct: file as output", lambda w: reconstruct(w, "--out", w.make("file")), 2, ["file", "--out"]),
]  # fmt: skip
