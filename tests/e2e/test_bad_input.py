"""Bad input gets one clear line that names it and says what to do, the right exit code, and loses nothing."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from expected_errors import refused

from sivae_translate.inference import folder as folder_module


def digests(folder: Path) -> dict[str, str]:
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@dataclass(frozen=True)
class Place:
    """A working folder for wrong inputs, with a valid data set and a finished run to combine them with."""

    here: Path
    cars: Path
    trained: Path
    untrained: Callable[..., Path]

    def make(self, name: str, text: str = "") -> Path:
        path = self.here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def folder(self, name: str) -> Path:
        path = self.here / name
        path.mkdir(parents=True)
        return path

    def bad_image(self) -> Path:
        """A folder of two domains without a single image that can be read."""
        for domain in ("a", "b"):
            self.make(f"bad/{domain}/1.png", "not an image")
        return self.here / "bad"

    def pairs(self, *lines: str) -> Path:
        return self.make("pairs.csv", "\n".join(lines))

    def model(self, **changes: Any) -> Path:
        """A copy of the trained model, its config changed."""
        copy = self.here / "model"
        shutil.copytree(self.trained / "model", copy)
        (copy / "manifest.json").unlink()  # as of files copied by hand
        config = json.loads((copy / "config.json").read_text())
        (copy / "config.json").write_text(json.dumps({**config, **changes}))
        return copy

    def truncated(self) -> Path:
        weights = self.model() / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
        return weights.parent

    def view(self) -> Path:
        return self.cars / "unseen/car003/el0_az00.png"


@pytest.fixture
def place(
    tmp_path: Path, cars: Path, trained: Path, untrained: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Place:
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path / "place", cars, trained, untrained)


Case = tuple[str, Callable[[Place], list[object]], int, list[str]]

CASES: list[Case] = [
    # train and check: folders
    ("a missing folder", lambda p: ["train", "--domains", "nowhere"], 2, ["nowhere does not exist", "sub-folder"]),
    ("an empty folder", lambda p: ["train", "--domains", p.folder("empty")], 2, ["empty/ holds no images"]),
    ("a file for a folder", lambda p: ["train", "--domains", p.view()], 2, ["el0_az00.png is a file", "sub-folder"]),
    ("no readable image", lambda p: ["train", "--domains", p.bad_image()], 2, ["no readable image", "not an image"]),
    ("nothing to check", lambda p: ["check", "nowhere"], 2, ["nowhere does not exist"]),
    ("nothing readable to check", lambda p: ["check", p.bad_image()], 2, ["no readable image"]),
    # train: recipes, settings, devices, places
    ("an unknown recipe", lambda p: ["train", "--domains", p.cars, "--recipe", "tinny"], 2, ["'tinny'", "mean tiny?"]),
    ("a missing recipe file", lambda p: ["train", "--domains", p.cars, "--recipe", "my.toml"], 2, ["my.toml: no such"]),
    ("an unknown recipe to show", lambda p: ["recipes", "show", "styel"], 2, ["'styel'", "did you mean style"]),
    (
        "an unknown key",
        lambda p: ["train", "--domains", p.cars, "--set", "training.image=1"],
        2,
        ["training.image:", "did you mean images"],
    ),
    (
        "an unknown section",
        lambda p: ["train", "--domains", p.cars, "--set", "train.images=1"],
        2,
        ["'train'", "did you mean training?"],
    ),
    (
        "no assignment",
        lambda p: ["train", "--domains", p.cars, "--set", "images"],
        2,
        ["'images'", "section.key=value"],
    ),
    (
        "an ill-typed value",
        lambda p: ["train", "--domains", p.cars, "--set", "training.images=many"],
        2,
        ["training.images = 'many'", "valid integer"],
    ),
    (
        "an impossible value",
        lambda p: ["train", "--domains", p.cars, "--set", "data.size=33"],
        2,
        ["data.size = 33", "16, 32"],
    ),
    (
        "a model's impossible value",
        lambda p: ["train", "--domains", p.cars, "--set", "model.width=1"],
        2,
        ["model.width = 1", "at least 16"],
    ),
    (
        "an unknown model",
        lambda p: ["train", "--domains", p.cars, "--set", "model.name=stile"],
        2,
        ["'stile'", "did you mean style"],
    ),
    (
        "no budget",
        lambda p: ["train", "--domains", p.cars, "--set", "training.minutes=0"],
        2,
        ["never end", "training.images"],
    ),
    (
        "a missing device",
        lambda p: ["train", "--domains", p.cars, "--device", "cuda:99"],
        2,
        ["'cuda:99' is not there", "cpu"],
    ),
    (
        "a file for a run",
        lambda p: ["train", "--domains", p.cars / "train", "--out", p.make("file")],
        2,
        ["file is a file", "--out"],
    ),
    (
        "a run below a file",
        lambda p: ["train", "--domains", p.cars / "train", "--out", p.make("file") / "run"],
        2,
        ["cannot write to", "--out"],
    ),
    (
        "a run among the images",
        lambda p: ["train", "--domains", p.cars / "train", "--out", p.cars / "train/run"],
        2,
        ["run is among the images", "--out"],
    ),
    ("cars over something", lambda p: ["cars", p.make("full/file").parent], 2, ["full", "a new or empty folder"]),
    ("too few cars", lambda p: ["cars", p.here / "new", "--cars", "1"], 2, ["cars was 1", "2 or more"]),
    ("a file for the demo", lambda p: ["demo", "--out", p.make("file")], 2, ["file is a file", "--out"]),
    # run: inputs, targets, outputs
    ("a missing input", lambda p: ["run", "nowhere.jpg", "--model", p.trained], 2, ["nowhere.jpg does not exist"]),
    ("an empty input", lambda p: ["run", p.folder("empty"), "--model", p.trained], 2, ["holds no image"]),
    (
        "an unknown domain",
        lambda p: ["run", p.view(), "--model", p.trained, "--to", "car01"],
        2,
        ["'car01'", "did you mean car001"],
    ),
    (
        "a domain and a style",
        lambda p: ["run", p.view(), "--model", p.trained, "--to", "car001", "--style", p.view()],
        2,
        ["--to and --style", "one of them"],
    ),
    (
        "inversion steps without a reference",
        lambda p: ["run", p.view(), "--model", p.trained, "--to", "car001", "--inversion-steps", "5"],
        2,
        ["--inversion-steps", "--style IMAGE"],
    ),
    (
        "a missing style",
        lambda p: ["run", p.view(), "--model", p.trained, "--style", "nowhere.png"],
        2,
        ["nowhere.png does not exist"],
    ),
    (
        "an unreadable style",
        lambda p: ["run", p.view(), "--model", p.trained, "--style", p.make("bad.png", "text")],
        2,
        ["bad.png", "not an image"],
    ),
    (
        "a style folder without images",
        lambda p: ["run", p.view(), "--model", p.trained, "--style", p.folder("empty")],
        2,
        ["empty holds no image"],
    ),
    (
        "an unknown format",
        lambda p: ["run", p.view(), "--model", p.trained, "--format", "tiff"],
        2,
        ["'tiff'", "png, jpg, webp"],
    ),
    (
        "a missing device to run on",
        lambda p: ["run", p.view(), "--model", p.trained, "--device", "gpu"],
        2,
        ["'gpu' is not there", "cpu"],
    ),
    (
        "the inputs' folder as output",
        lambda p: ["run", p.cars / "unseen", "--model", p.trained, "--out", p.cars / "unseen"],
        2,
        ["is where the inputs are", "--out"],
    ),
    (
        "an input's folder as output",
        lambda p: ["run", p.view(), "--model", p.trained, "--out", p.view().parent],
        2,
        ["is where the inputs are", "--out"],
    ),
    (
        "a file as output",
        lambda p: ["run", p.view(), "--model", p.trained, "--out", p.make("file")],
        2,
        ["file is a file", "--out"],
    ),
    (
        "an output below a file",
        lambda p: ["run", p.view(), "--model", p.trained, "--out", p.make("file") / "out"],
        1,
        ["cannot write to", "ot a directory"],
    ),
    (
        "someone's manifest in the output",
        lambda p: ["run", p.view(), "--model", p.trained, "--out", p.make("out/manifest.jsonl", "my\nown\n").parent],
        2,
        ["is no manifest of translations", "--out"],
    ),
    ("no run to be found", lambda p: ["run", p.view()], 2, ["a finished run under runs/, found none", "--model"]),
    # run: models
    (
        "one domain and --to",
        lambda p: ["run", p.view(), "--model", p.untrained("style", "only"), "--to", "only"],
        2,
        ["a single domain (only)", "--style"],
    ),
    (
        "one domain and no --to",
        lambda p: ["run", p.view(), "--model", p.untrained("style", "only")],
        2,
        ["a single domain (only)", "--style"],
    ),
    (
        "a single latent",
        lambda p: ["run", p.view(), "--model", p.untrained("conv", "a", "b"), "--to", "a"],
        2,
        ["a single latent", "--recipe style"],
    ),
    (
        "a single latent, one domain",
        lambda p: ["run", p.view(), "--model", p.untrained("conv", "a")],
        2,
        ["a single latent", "--recipe style"],
    ),
    ("a missing model", lambda p: ["run", p.view(), "--model", "nowhere"], 2, ["nowhere: no such directory"]),
    (
        "a folder of runs",
        lambda p: ["run", p.view(), "--model", p.trained.parent],
        2,
        ["is no model, but holds runs", "cars"],
    ),
    ("an empty model", lambda p: ["run", p.view(), "--model", p.folder("empty")], 1, ["no model.safetensors"]),
    ("a truncated model", lambda p: ["run", p.view(), "--model", p.truncated()], 1, ["model.safetensors: truncated"]),
    (
        "a model of another kind",
        lambda p: ["run", p.view(), "--model", p.model(model={"name": "stylegan"})],
        1,
        ["config.json", "stylegan", "expected one written by sivae-translate"],
    ),
    (
        "a model of another architecture",
        lambda p: ["run", p.view(), "--model", p.model(model={"name": "style", "width": 32, "max_width": 64})],
        1,
        ["does not fit the model"],
    ),
    (
        "a model of an older format",
        lambda p: ["run", p.view(), "--model", p.model(format=1)],
        1,
        ["config.json", "sivae-translate train"],
    ),
    (
        "a model of a newer format",
        lambda p: ["run", p.view(), "--model", p.model(format=99)],
        1,
        ["config.json", "pip install --upgrade sivae-translate"],
    ),
    (
        "a model's ill-typed config",
        lambda p: ["run", p.view(), "--model", p.model(model="style")],
        1,
        ["config.json", "describes no model"],
    ),
    *(
        (
            f"a model with the domain {name!r}",
            lambda p, name=name: ["run", p.view(), "--model", p.model(domains=["car000", "car001", name])],
            1,
            ["config.json", "not the name of a folder"],
        )
        for name in ("../../x", "/tmp/x", "..", ".", "", "a/b", "a\0b")
    ),
    (
        "a model with a domain twice",
        lambda p: ["run", p.view(), "--model", p.model(domains=["car000", "car001", "car000"])],
        1,
        ["config.json", "each once"],
    ),
    # sample
    (
        "an unknown domain to sample",
        lambda p: ["sample", "--model", p.trained, "--domain", "car01"],
        2,
        ["'car01'", "did you mean car001"],
    ),
    ("a folder for the samples", lambda p: ["sample", "--model", p.trained, "--out", p.folder("x.png")], 2, ["--out"]),
    ("an unknown picture format", lambda p: ["sample", "--model", p.trained, "--out", "x.doc"], 2, ["x.doc", ".png"]),
    ("a negative truncation", lambda p: ["sample", "--model", p.trained, "--truncation", "-1"], 2, ["-1", "0 or more"]),
    # evaluate
    *(
        (
            f"pairs {what}",
            lambda p, lines=lines: ["evaluate", p.trained, "--pairs", p.pairs(*lines), "--root", p.cars],
            2,
            said,
        )
        for what, lines, said in [
            ("with other columns", ["a,b", "1,2"], ["columns a,b", "content,style,target"]),
            ("without rows", ["content,style,target"], ["has no rows"]),
            ("of nothing", [], ["content,style,target"]),
            (
                "of missing files",
                ["content,style,target", "a.png,b.png,c.png"],
                ["line 2: ", "a.png is no file"],
            ),
            ("with a short row", ["content,style,target", "a.png"], ["line 2", "--root"]),
        ]
    ),
    (
        "missing pairs",
        lambda p: ["evaluate", p.trained, "--pairs", "nowhere.csv", "--root", p.cars],
        2,
        ["nowhere.csv", "content,style,target"],
    ),
    (
        "a path out of the root",
        lambda p: [
            *("evaluate", p.trained, "--root", p.cars / "train"),
            *("--pairs", p.pairs("content,style,target", *[",".join(["../unseen/car003/el0_az00.png"] * 3)])),
        ],
        2,
        ["line 2", "../unseen/car003/el0_az00.png is no file under"],
    ),
    (
        "a single latent to evaluate",
        lambda p: [
            *("evaluate", p.untrained("conv", "a", "b")),
            *("--root", p.cars, "--pairs", p.cars / "pairs_unseen.csv"),
        ],
        2,
        ["a single latent", "--recipe style"],
    ),
    (
        "a file for the scores",
        lambda p: [
            *("evaluate", p.trained, "--root", p.cars, "--pairs", p.cars / "pairs_unseen.csv"),
            *("--out", p.make("file")),
        ],
        2,
        ["file is a file", "--out"],
    ),
    (
        "the images' folder for the scores",
        lambda p: [
            *("evaluate", p.trained, "--root", p.cars, "--pairs", p.cars / "pairs_unseen.csv"),
            *("--out", p.cars / "unseen/car003"),
        ],
        2,
        ["is where the images are", "--out"],
    ),
]


@pytest.mark.parametrize(("arguments", "code", "said"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_bad_input_is_one_line_and_changes_nothing(
    cli: Any, place: Place, arguments: Callable[[Place], list[object]], code: int, said: list[str]
) -> None:
    place.here.mkdir()
    given = arguments(place)
    everything = place.here.parent, place.cars, place.trained
    before = [digests(folder) for folder in everything]
    refused(cli(*given), code, *said)
    assert [digests(folder) for folder in everything] == before


class Canary:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["model.safetensors", "model.pt"])
def test_a_pickle_is_refused_and_never_run(cli: Any, place: Place, tmp_path: Path, name: str) -> None:
    model, canary = place.model(), tmp_path / "canary"
    (model / "model.safetensors").unlink()
    (model / name).write_bytes(pickle.dumps(Canary(canary)))
    refused(cli("run", place.view(), "--model", model), 1, "never unpickle", "safetensors")
    assert not canary.exists()
    pickle.loads((model / name).read_bytes())
    assert canary.exists()  # it would have


def test_a_domain_of_one_image_is_trained_with_a_warning_before(
    cli: Any, options: Callable[..., list[str]], place: Place
) -> None:
    for domain, count in (("one", 1), ("many", 4)):
        place.folder(f"domains/{domain}")
        for path in sorted((place.cars / "unseen/car003").iterdir())[:count]:
            shutil.copy(path, place.here / "domains" / domain)
    checked = cli("check", place.here / "domains")
    assert checked.exit_code == 0 and "domain one has a single image" in checked.stdout
    arguments = ("--domains", place.here / "domains", "--out", place.here / "run")
    assert cli("train", *arguments, *options("training.images=16")).exit_code == 0


def test_a_folder_of_bare_images_trains_and_takes_its_styles_from_references(
    cli: Any, options: Callable[..., list[str]], place: Place
) -> None:
    place.here.mkdir()
    run, out = place.here / "run", place.here / "out"
    bare = place.cars / "unseen/car003"
    trained = cli("train", "--domains", bare, "--out", run, *options("training.images=16"))
    assert trained.exit_code == 0
    assert "no sub-folders: clustered by colour into" in trained.stderr
    assert json.loads((run / "model/config.json").read_text())["domains"][0] == "cluster-001"
    assert cli("run", place.view(), "--model", run, "--style", bare, "--out", out).exit_code == 0
    assert (out / "el0_az00.png").exists()


def test_an_unreadable_file_among_good_ones_is_left_out_and_named(
    cli: Any, options: Callable[..., list[str]], place: Place
) -> None:
    for domain in ("a", "b"):
        place.folder(f"domains/{domain}")
        shutil.copy(place.view(), place.here / "domains" / domain)
    bad = place.make("domains/a/bad.png", "no image")
    assert cli("check", place.here / "domains").exit_code == 3
    arguments = ("--domains", place.here / "domains", "--out", place.here / "run")
    result = cli("train", *arguments, *options("training.images=16"))
    assert result.exit_code == 0 and f"left out {bad}: not an image (text)" in result.stderr


def test_an_error_survives_names_no_terminal_can_show(place: Place) -> None:
    """In a process whose output knows ASCII alone."""
    name = os.fsdecode(b"caf\xe9\n\x1b[31m")
    command = [sys.executable, "-m", "sivae_translate", "check", name]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    place.here.mkdir()
    result = subprocess.run(command, capture_output=True, env=environment)
    assert result.returncode == 2 and result.stdout == b""
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and lines[0].isascii() and b"caf" in lines[0] and b"\x1b" not in lines[0]


# --- a full disk ----------------------------------------------------------------------------------------------------


def test_translations_stop_at_a_full_disk_and_go_on_when_there_is_room(
    cli: Any, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.here.mkdir()
    out, room = place.here / "out", [30]
    write_bytes = Path.write_bytes

    def write(path: Path, data: bytes) -> int:
        room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_bytes(path, data)

    arguments = ("run", place.cars / "unseen/car003", "--model", place.trained, "--out", out, "--batch", "8")
    monkeypatch.setattr(folder_module.Path, "write_bytes", write)
    refused(cli(*arguments), 1, out, "No space left on device", "again")
    assert list(out.rglob(".tmp-*")) == []
    written = len(list(out.rglob("*.png")))
    assert 24 <= written <= 30

    room[0] = 10**6
    finished = cli(*arguments)
    assert finished.exit_code == 0
    assert f"{288 - written} translations" in finished.stdout and f"{written} done before" in finished.stdout


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB, where this user may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this user may not mount a file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with pytest.raises(OSError, match="No space"), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 12))
    return filler


def test_training_on_a_full_disk_keeps_the_last_state_and_goes_on_when_there_is_room(
    cli: Any, options: Callable[..., list[str]], place: Place, small_disk: Path
) -> None:
    run = small_disk / "run"
    arguments = ("train", "--domains", place.cars / "train", "--out", run)
    assert cli(*arguments, *options("training.images=16")).exit_code == 0
    before = digests(run / "state") | digests(run / "model")
    filler = fill(small_disk)
    refused(cli(*arguments, *options("training.images=32")), 1, run, "space", "again")
    assert digests(run / "state") | digests(run / "model") == before
    filler.unlink()
    finished = cli(*arguments, *options("training.images=32"))
    assert finished.exit_code == 0 and "resuming at 16 images" in finished.stderr


def test_samples_on_a_full_disk_leave_no_half_picture(cli: Any, place: Place, small_disk: Path) -> None:
    fill(small_disk)
    refused(cli("sample", "--model", place.trained, "--out", small_disk / "new.png"), 1, "No space", "free some space")
    assert not (small_disk / "new.png").exists()
