"""Bad input of `run`, `sample` and `add-domain`."""

from __future__ import annotations

from bad_input.workspace import Case, Workspace


def run(w: Workspace, *words: object) -> list[object]:
    return ["run", w.view, "--model", w.trained, *words]


def run_with(w: Workspace, model: object, *words: object) -> list[object]:
    return ["run", w.view, "--model", model, *words]


def sample(w: Workspace, *words: object) -> list[object]:
    return ["sample", "--model", w.trained, *words]


def add(w: Workspace, name: str, *, source: object = None, model: object = None, out: object = "new") -> list[object]:
    return ["add-domain", name, source or w.other_views, "--model", model or w.trained, "--out", out]


ODD_ROW = '{"input": ["a"], "target": 5, "output": "", "status": "ok", "reason": "", "job": null}\n'

INPUTS = [
    Case("run: missing input", lambda w: ["run", "nowhere.jpg", "--model", w.trained], 2, ["nowhere.jpg"]),
    Case("run: empty input", lambda w: ["run", w.folder("empty"), "--model", w.trained], 2, ["empty"]),
    Case("run: gallery of one file", lambda w: run(w, "--gallery", "--out", "new.png"), 2, ["--gallery", "new.png"]),
    Case("run: gallery of something else",
         lambda w: run(w, "--gallery", "--out", w.make("mine/gallery.html", "<html>").parent), 2,
         ["gallery.html", "--out"]),
    Case("run: unknown domain", lambda w: run(w, "--to", "car01"), 2, ["car01", "car001"]),
    Case("run: domain and style", lambda w: run(w, "--to", "car001", "--style", w.view), 2, ["--to", "--style"]),
    Case("run: inversion of a domain", lambda w: run(w, "--to", "car001", "--inversion-steps", "5"), 2,
         ["--inversion-steps", "--style"]),
    Case("run: unreadable style", lambda w: run(w, "--style", w.make("bad.png", "text")), 2, ["bad.png"]),
    Case("run: no styles", lambda w: run(w, "--styles", "0"), 2, ["styles", "0"]),
    Case("run: unused seed", lambda w: run(w, "--to", "car001", "--seed", "3"), 2, ["--seed", "--styles"]),
    Case("run: negative truncation", lambda w: run(w, "--styles", "2", "--truncation", "-1"), 2, ["truncation", "-1"]),
    Case("run: large seed", lambda w: run(w, "--styles", "2", "--seed", 10**30), 2, ["seed", str(10**30)]),
    Case("run: unknown format", lambda w: run(w, "--format", "tiff"), 2, ["tiff", "png", "jpg", "webp"]),
    Case("run: unknown size", lambda w: run(w, "--size", "large"), 2, ["'large'", "input", "model"]),
    Case("run: unknown fit", lambda w: run(w, "--fit", "croop"), 2, ["croop", "crop"]),
    Case("run: tiles of an object", lambda w: run(w, "--tile"), 2, ["--tile", "pictures", "--size input"]),
    Case("run: unknown alpha", lambda w: run(w, "--alpha", "kept"), 2, ["kept", "keep"]),
    Case("run: transparent jpg", lambda w: run(w, "--alpha", "keep", "--format", "jpg"), 2, ["jpg", "--format"]),
    Case("run: inputs as output", lambda w: run(w, "--out", w.views), 2, ["car003", "--out"]),
    Case("run: output above the inputs", lambda w: run(w, "--out", w.cars), 2, ["cars", "--out"]),
    Case("run: file as output", lambda w: run(w, "--out", w.make("file")), 2, ["file", "--out"]),
    Case("run: output below a file", lambda w: run(w, "--out", w.make("file") / "out"), 1, ["file/out"]),
    Case("run: foreign manifest", lambda w: run(w, "--out", w.make("out/manifest.jsonl", "my\nown\n").parent), 2,
         ["manifest.jsonl", "--out"]),
    Case("run: manifest of another shape", lambda w: run(w, "--out", w.make("out/manifest.jsonl", ODD_ROW).parent), 2,
         ["manifest.jsonl", "--out"]),
    Case("run: formats that are not read", lambda w: ["run", w.make("p/a.jxl").parent, "--model", w.trained], 2,
         [".jxl", "JPEG", "PNG"]),
    Case("run: no share", lambda w: run(w, "--share", "3/2"), 2, ["3/2", "--share"]),
    Case("run: no threshold", lambda w: run(w, "--reject-ood"), 2, ["sivae-translate ood"]),
]  # fmt: skip

TYPED = [
    Case("run: inputs of one name", lambda w: ["run", w.view, w.make("a/el0_az00.png"), "--model", w.trained], 2,
         ["car003/el0_az00.png", "a/el0_az00.png", "--out"]),
    Case("run: missing input among others", lambda w: ["run", w.view, "nowhere.jpg", "--model", w.trained], 2,
         ["nowhere.jpg"]),
    Case("run: file for several domains", lambda w: run(w, "--out", "x.png"), 2, ["x.png", "3", "--to"]),
    Case("run: file for several styles", lambda w: run(w, "--to", "car001", "--styles", "2", "--out", "x.png"), 2,
         ["x.png", "2", "--styles"]),
    Case("run: file for a folder", lambda w: ["run", w.views, "--model", w.trained, "--to", "car001", "--out", "x.png"],
         2, ["x.png", "car003", "--out"]),
    Case("run: file for several inputs",
         lambda w: ["run", w.view, w.other, "--model", w.trained, "--to", "car001", "--out", "x.png"], 2,
         ["x.png", "2", "--out"]),
    Case("run: file exists", lambda w: run(w, "--to", "car001", "--out", w.make("my x.png")), 2,
         ["my x.png", "-2.png'"]),
    Case("run: file that cannot be written", lambda w: run(w, "--to", "car001", "--out", "x.gif"), 2,
         ["x.gif", ".png", ".webp"]),
    Case("run: file of another format", lambda w: run(w, "--to", "car001", "--out", "x.png", "--format", "jpg"), 2,
         ["x.png", "--format jpg"]),
    Case("run: share in a file", lambda w: run(w, "--to", "car001", "--out", "x.png", "--share", "1/2"), 2,
         ["x.png", "--share"]),
    Case("run: file from an unreadable input",
         lambda w: ["run", w.make("bad.png", "text"), "--model", w.trained, "--to", "car001", "--out", "x.png"], 1,
         ["bad.png", "x.png", "not an image"]),
]  # fmt: skip

MODELS = [
    Case("run: no run found", lambda w: ["run", w.view], 2, ["runs/", "--model"]),
    Case("run: only domain", lambda w: run_with(w, w.untrained("style", "only"), "--to", "only"), 2,
         ["only", "--style"]),
    Case("run: single latent", lambda w: run_with(w, w.untrained("conv", "a", "b"), "--to", "a"), 2,
         ["--recipe style"]),
    Case("run: missing model", lambda w: run_with(w, "nowhere"), 2, ["nowhere"]),
    Case("run: folder of runs", lambda w: run_with(w, w.trained.parent), 2, ["/cars"]),
    Case("run: empty model", lambda w: run_with(w, w.folder("empty")), 1, ["empty", "model.safetensors"]),
    Case("run: unknown model", lambda w: run_with(w, w.model(model={"name": "stylegan"})), 1,
         ["config.json", "stylegan"]),
    Case("run: other architecture",
         lambda w: run_with(w, w.model(model={"name": "style", "width": 32, "max_width": 64})), 1, ["model"]),
    Case("run: older format", lambda w: run_with(w, w.model(format=1)), 1, ["config.json", "sivae-translate train"]),
    Case("run: newer format", lambda w: run_with(w, w.model(format=99)), 1, ["config.json", "pip install --upgrade"]),
    Case("run: config without a model", lambda w: run_with(w, w.model(model="style")), 1, ["config.json"]),
    Case("run: domain outside", lambda w: run_with(w, w.model(domains=["car000", "car001", "../../x"])), 1,
         ["config.json", "../../x"]),
]  # fmt: skip

OTHERS = [
    Case("sample: folder as output", lambda w: sample(w, "--out", w.folder("x.png")), 2, ["x.png", "--out"]),
    Case("sample: picture exists", lambda w: sample(w, "--out", w.make("x.png")), 2, ["x.png", "-2.png"]),
    Case("sample: two models", lambda w: ["sample", "a", "--model", "b"], 2, ["a", "--model b"]),
    Case("sample: unknown suffix", lambda w: sample(w, "--out", "x.doc"), 2, ["x.doc", ".png"]),
    Case("add-domain: known domain", lambda w: add(w, "car001"), 2, ["car001"]),
    Case("add-domain: name with a slash", lambda w: add(w, "a/b"), 2, ["'a/b'"]),
    Case("add-domain: model exists", lambda w: add(w, "okapi", out=w.folder("there")), 2, ["there", "--out"]),
]  # fmt: skip

FILM = b"\0\0\0\x18ftypisom"  # as MP4 begins


def film(w: Workspace, *words: object) -> list[object]:
    return ["run", w.make("film.mp4", FILM), "--model", w.trained, *words]


FILMS = [
    Case("run: video among images", lambda w: [*film(w, "--to", "car001"), w.view], 2,
         ["film.mp4", "alone", "film.mp4 --to car001"]),
    Case("run: video to several domains", lambda w: film(w, "--to", "car001", "--to", "car002"), 2,
         ["film.mp4", "2", "--to"]),
    Case("run: video to every domain", lambda w: film(w), 2, ["3", "--to"]),
    Case("run: video to several styles", lambda w: film(w, "--to", "car001", "--styles", "2"), 2, ["2", "--styles"]),
    Case("run: gallery of a video", lambda w: film(w, "--gallery"), 2, ["--gallery", "film.mp4"]),
    Case("run: video to a folder", lambda w: film(w, "--to", "car001", "--out", "new"), 2,
         ["film.mp4", "--out new/film.mp4"]),
    Case("run: video to a picture", lambda w: film(w, "--to", "car001", "--out", "x.png"), 2, ["x.png", ".mp4"]),
    Case("run: cut video", lambda w: film(w, "--to", "car001"), 1, ["film.mp4", "truncated", "nothing is written"]),
    Case("run: text as a video",
         lambda w: ["run", w.make("film.mkv", "text"), "--model", w.trained, "--to", "car001"], 1,
         ["film.mkv", "text", "MKV"]),
    Case("run: missing video", lambda w: ["run", "nowhere.mp4", "--model", w.trained, "--to", "car001"], 2,
         ["nowhere.mp4"]),
]  # fmt: skip

CASES = [*INPUTS, *TYPED, *FILMS, *MODELS, *OTHERS]

VARIANTS = [
    Case("run: missing GPUs", lambda w: run(w, "--gpus", "99"), 2, ["--gpus 99"]),
    *(
        Case(f"run: {' '.join(option)} of a video",
             lambda w, option=option: film(w, "--to", "car001", *option), 2, [option[0], "film.mp4"])
        for option in (["--share", "1/2"], ["--alpha", "keep"], ["--format", "jpg"], ["--reject-ood"], ["--gpus", "2"])
    ),
    Case("run: empty video", lambda w: ["run", w.make("a.mp4"), "--model", w.trained, "--to", "car001"], 1,
         ["a.mp4", "empty"]),
    Case("run: video that is its output", lambda w: film(w, "--to", "car001", "--out", "film.mp4"), 2,
         ["film.mp4", "--out"]),
    Case("run: folder of videos", lambda w: ["run", w.make("p/a.mp4").parent, "--model", w.trained], 2,
         [".mp4", "JPEG"]),
    Case("run: size of no pixel", lambda w: run(w, "--size", "0"), 2, ["'0'", "8,192"]),
    Case("run: whole object", lambda w: run(w, "--size", "input", "--fit", "whole"), 2, ["--fit whole", "pictures"]),
    Case("run: unused truncation", lambda w: run(w, "--truncation", "0.5"), 2, ["--truncation", "--styles"]),
    Case("run: styles and style", lambda w: run(w, "--style", w.other, "--styles", "2"), 2, ["--styles", "--style"]),
    Case("run: missing style", lambda w: run(w, "--style", "nowhere.png"), 2, ["nowhere.png"]),
    Case("run: domain twice", lambda w: run_with(w, w.model(domains=["car000", "car001", "car000"])), 1,
         ["config.json"]),
    Case("run: truncated model", lambda w: run_with(w, w.truncated_model()), 1, ["model.safetensors"]),
    Case("sample: unknown domain", lambda w: sample(w, "--domain", "car01"), 2, ["car01", "car001"]),
    Case("sample: negative truncation", lambda w: sample(w, "--truncation", "-1"), 2, ["truncation", "-1"]),
    Case("add-domain: no image", lambda w: add(w, "new", source=w.folder("empty")), 2, ["empty"]),
    Case("add-domain: unreadable images", lambda w: add(w, "okapi", source=w.images(0, 1)), 2, ["bad0.png"]),
    Case("add-domain: single latent", lambda w: add(w, "okapi", model=w.untrained("conv", "a", "b")), 2,
         ["--recipe style"]),
    Case("add-domain: formats that are not read", lambda w: add(w, "new", source=w.make("p/a.ppm").parent), 2,
         [".ppm", "JPEG"]),
    Case("run: style in formats that are not read", lambda w: run(w, "--style", w.make("p/a.jxl").parent), 2,
         [".jxl", "JPEG"]),
    Case("run: output below a file, with a style",
         lambda w: run(w, "--style", w.other, "--out", w.make("file") / "out"), 1, ["file/out"]),
    Case("run: style folder without images", lambda w: run(w, "--style", w.folder("empty")), 2, ["empty"]),
    Case("run: missing device", lambda w: run(w, "--device", "gpu"), 2, ["gpu", "cpu"]),
    Case("run: negative number of styles", lambda w: run(w, "--styles", "-2"), 2, ["styles", "-2"]),
    Case("run: styles of an unknown domain", lambda w: run(w, "--to", "car01", "--styles", "2"), 2, ["car001"]),
    Case("run: only domain by default", lambda w: run_with(w, w.untrained("style", "only")), 2, ["only", "--style"]),
    Case("run: single latent, one domain", lambda w: run_with(w, w.untrained("conv", "a")), 2, ["--recipe style"]),
    Case("run: styles of a single latent", lambda w: run_with(w, w.untrained("conv", "a", "b"), "--styles", "2"), 2,
         ["--recipe style"]),
    *(
        Case(f"run: domain {name!r}",
             lambda w, name=name: run_with(w, w.model(domains=["car000", "car001", name])), 1, ["config.json"])
        for name in ("/tmp/x", "..", ".", "", "a/b", "a\0b")
    ),
    *(
        Case(f"add-domain: name {name!r}", lambda w, name=name: add(w, name), 2, [repr(name)])
        for name in ("/a", "a/", "", ".", "..")
    ),
    Case("add-domain: missing folder", lambda w: add(w, "okapi", source="nowhere"), 2, ["nowhere"]),
    Case("add-domain: old model as output", lambda w: add(w, "okapi", out=w.trained / "model"), 2, ["--out"]),
    Case("add-domain: missing model", lambda w: add(w, "okapi", model="nowhere"), 2, ["nowhere"]),
]  # fmt: skip
