"""Translating folders: one output per input, no file overwritten, and no output lost at any interruption."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from sivae_translate.errors import UsageError
from sivae_translate.inference import folder as folder_module
from sivae_translate.inference.folder import translate_folder
from sivae_translate.inference.manifest import MANIFEST
from sivae_translate.inference.plan import plan
from sivae_translate.inference.translator import Translator


def images(folder: Path, *names: str) -> Path:
    """A folder of small images that all differ."""
    for i, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 20), (9 * i % 256, i % 256, 80)).save(path, "png")
    return folder


def rows(out: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (out / MANIFEST).read_text().splitlines()]


def planned(source: Path, out: Path, format: str = "png") -> dict[str, str]:
    return {path.relative_to(source).as_posix(): output.as_posix() for path, output in plan(source, out, format)}


# --- names ----------------------------------------------------------------------------------------------------------


def test_names_and_tree_are_kept_but_for_the_suffix(tmp_path: Path) -> None:
    source = images(tmp_path / "in", "a.jpg", "b/c.tar.png", "b/d.PNG")
    expected = {"a.jpg": "a.webp", "b/c.tar.png": "b/c.tar.webp", "b/d.PNG": "b/d.webp"}
    assert planned(source, tmp_path / "out", "webp") == expected


@pytest.mark.parametrize(
    "names",
    [
        ["a.jpg", "a.png"],
        ["a.jpg", "a.png", "a.webp", "a.gif", "a.bmp"],
        ["A.png", "a.png"],  # one file on a file system that ignores case
        ["a.gif", "a.gif.gif", "a.gif.png", "a.jpg", "a.jpg.png", "a.png.png"],
        ["A.JPG", "A.JPG.gif", "a.jpg", "a.jpg.png"],
        ["a/x.png", "A/x.png"],
    ],
)
def test_no_two_inputs_share_an_output(tmp_path: Path, names: list[str]) -> None:
    outputs = planned(images(tmp_path / "in", *names), tmp_path / "out")
    assert sorted(outputs) == sorted(names)
    assert max(Counter(output.lower() for output in outputs.values()).values()) == 1


def test_the_second_of_two_like_names_keeps_its_suffix(tmp_path: Path) -> None:
    source = images(tmp_path / "in", "a.jpg", "a.png")
    assert planned(source, tmp_path / "out") == {"a.jpg": "a.png", "a.png": "a.png.png"}


def test_outputs_inside_the_input_are_no_inputs(translator: Translator, tmp_path: Path) -> None:
    source = images(tmp_path / "in", "a.png", "b/c.png")
    for _ in range(2):
        summary = translate_folder(translator, source, source / "out")
        assert summary.written + summary.skipped == 6 and summary.failed == 0


def test_outputs_inside_the_input_are_no_inputs_by_way_of_a_link_either(tmp_path: Path) -> None:
    source = images(tmp_path / "in", "a.png", "out/b.png")
    (tmp_path / "link").symlink_to(source)
    assert planned(tmp_path / "link", source / "out") == {"a.png": "a.png"}
    assert planned(source, tmp_path / "link/out") == {"a.png": "a.png"}


# --- no output is lost ------------------------------------------------------------------------------------------------


def test_a_foreign_file_is_never_overwritten_and_fails_its_row_alone(translator: Translator, tmp_path: Path) -> None:
    source, out = images(tmp_path / "in", "a.png", "b.png", "c.png"), tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_text("mine")
    (out / "b.png").symlink_to(tmp_path / "nowhere")
    summary = translate_folder(translator, source, out, to=["car001"])
    assert (summary.written, summary.failed) == (1, 2)
    assert (out / "a.png").read_text() == "mine" and (out / "b.png").is_symlink()
    assert {Path(row["input"]).name: row["status"] for row in rows(out)} == {
        "a.png": "failed", "b.png": "failed", "c.png": "ok",
    }  # fmt: skip


def test_an_output_that_cannot_have_its_name_fails_its_row_alone(translator: Translator, tmp_path: Path) -> None:
    long = "x" * 251 + ".png"  # as long as a name may be; as .webp it is too long
    source, out = images(tmp_path / "in", "a.png", long, "b/c.png"), tmp_path / "out"
    out.mkdir()
    (out / "b").write_text("a file where a folder should be")
    summary = translate_folder(translator, source, out, to=["car001"], format="webp")
    assert (summary.written, summary.failed) == (1, 2)
    status = {Path(row["input"]).name: row["status"] for row in rows(out)}
    assert status == {"a.png": "ok", long: "failed", "c.png": "failed"}


def test_an_input_may_have_the_longest_name(translator: Translator, tmp_path: Path) -> None:
    source = images(tmp_path / "in", "x" * 251 + ".png")
    assert translate_folder(translator, source, tmp_path / "out", to=["car001"]).written == 1


def test_another_style_or_format_in_the_same_folder_is_an_error(translator: Translator, tmp_path: Path) -> None:
    source, out = images(tmp_path / "in", "a.png"), tmp_path / "out"
    translate_folder(translator, source, out, to=["car001"])
    before = (out / MANIFEST).read_bytes()
    for options in ({"to": ["car002"]}, {"to": ["car001"], "format": "jpg"}, {"style": source / "a.png"}, {}):
        with pytest.raises(UsageError, match="--out"):
            translate_folder(translator, source, out, **options)
    assert (out / MANIFEST).read_bytes() == before
    assert sorted(path.name for path in out.iterdir() if path.name[0] != ".") == ["a.png", MANIFEST]


def test_another_source_may_join_a_folder(translator: Translator, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name in ("one", "two"):
        summary = translate_folder(translator, images(tmp_path / name, f"{name}.png"), out, to=["car001"])
        assert (summary.written, summary.failed) == (1, 0)
    assert {row["output"] for row in rows(out)} == {"one.png", "two.png"}


def test_a_folder_of_translations_may_be_moved(translator: Translator, tmp_path: Path) -> None:
    source = images(tmp_path / "in", "a.png", "b.png")
    translate_folder(translator, source, tmp_path / "out", to=["car001"])
    moved = (tmp_path / "out").rename(tmp_path / "moved")
    assert translate_folder(translator, source, moved, to=["car001"]).skipped == 2


def test_an_input_is_skipped_from_another_working_directory_too(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = images(tmp_path / "in", "a.png")
    translate_folder(translator, source, tmp_path / "out", to=["car001"])
    monkeypatch.chdir(source)
    summary = translate_folder(translator, Path("a.png"), Path("../out"), to=["car001"])
    assert (summary.written, summary.skipped) == (0, 1)


@pytest.mark.parametrize("kept", [0, 1, 9, 10, 40, -1])
def test_an_input_whose_row_is_truncated_is_translated_again(translator: Translator, tmp_path: Path, kept: int) -> None:
    source, out = images(tmp_path / "in", "a.png", "b.png"), tmp_path / "out"
    translate_folder(translator, source, out, to=["car001"])
    first, last = (out / MANIFEST).read_text().splitlines()
    (out / MANIFEST).write_text(f"{first}\n{last[:kept]}")
    (out / "b.png").unlink()  # an output never comes before its row
    summary = translate_folder(translator, source, out, to=["car001"])
    assert (summary.written, summary.skipped, summary.failed) == (1, 1, 0)
    assert len(rows(out)) == 2


@pytest.mark.parametrize("text", ["mine\n", "5\n", "[]\n", '{"job": 1}\n', "\xff\n", '{"input": 1}\n{"input": 2}\n'])
def test_a_foreign_manifest_is_an_error_and_left_unchanged(translator: Translator, tmp_path: Path, text: str) -> None:
    source, out = images(tmp_path / "in", "a.png"), tmp_path / "out"
    out.mkdir()
    (out / MANIFEST).write_bytes(text.encode("latin1"))
    with pytest.raises(UsageError, match=r"manifest\.jsonl.*--out"):
        translate_folder(translator, source, out, to=["car001"])
    assert (out / MANIFEST).read_bytes() == text.encode("latin1")


@pytest.mark.parametrize("moment", range(8))
def test_a_call_killed_between_any_two_steps_is_finished_by_the_next(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    """As after `kill -9`: a row is written or an output renamed, and no temporary file is removed."""
    source, out = images(tmp_path / "in", "a.png", "b.png", "c.png", "d.png"), tmp_path / "out"
    steps = iter(range(100))

    class Killed(BaseException):
        pass

    def counted(call):  # type: ignore[no-untyped-def]
        def step(*arguments):  # type: ignore[no-untyped-def]
            if next(steps) >= moment:
                raise Killed
            return call(*arguments)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(folder_module.Manifest, "add", counted(folder_module.Manifest.add))
        patch.setattr(folder_module.os, "replace", counted(os.replace))
        patch.setattr(folder_module.Path, "unlink", lambda *_, **__: None)
        with pytest.raises(Killed):
            translate_folder(translator, source, out, to=["car001"])
    done = len(list(out.glob("[!.]*.png")))
    summary = translate_folder(translator, source, out, to=["car001"])
    assert (summary.written, summary.skipped, summary.failed) == (4 - done, done, 0)
    assert len(rows(out)) == 4 and {row["status"] for row in rows(out)} == {"ok"}
    assert {path.name for path in out.iterdir()} == {"a.png", "b.png", "c.png", "d.png", MANIFEST, ".lock"}


def test_two_processes_never_translate_into_one_folder(translator: Translator, trained: Path, tmp_path: Path) -> None:
    source, out = images(tmp_path / "in", "a.png"), tmp_path / "out"
    messages = []

    class Intruder:
        def note(self, text: str) -> None: ...

        def step(self, fraction: float, text: str) -> None:
            with pytest.raises(UsageError, match="--out") as error:
                translate_folder(translator, source, out, to=["car001"])
            messages.append(str(error.value))

    translate_folder(translator, source, out, to=["car001"], display=Intruder())
    assert len(messages) == 1 and str(out) in messages[0]
    assert len(rows(out)) == 1


# --- memory ---------------------------------------------------------------------------------------------------------

PEAK = """
import resource, sys
from sivae_translate import Translator, translate_folder
translator = Translator.from_pretrained(sys.argv[1], device="cpu")
summary = translate_folder(translator, sys.argv[2], sys.argv[3], to="car001")
print(summary.written, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_files(trained: Path, tmp_path: Path) -> None:
    """The images of the larger folder would take 270 MB, decoded and translated."""
    peaks = {}
    one = tmp_path / "one.png"
    Image.effect_noise((160, 160), 90).convert("RGB").save(one)
    for count in (300, 3000):
        source = tmp_path / f"in{count}"
        source.mkdir()
        for i in range(count):
            shutil.copy(one, source / f"{i}.png")
        command = [sys.executable, "-c", textwrap.dedent(PEAK), trained, source, tmp_path / f"out{count}"]
        written, peaks[count] = map(int, subprocess.run(command, capture_output=True, check=True).stdout.split())
        assert written == count
    assert peaks[3000] - peaks[300] < 20, peaks
