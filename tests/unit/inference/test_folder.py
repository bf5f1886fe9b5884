"""Translating folders: one output per input, no file overwritten, and no output lost at any interruption."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from folders import images, rows, statuses
from PIL import Image

from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.inference import files as files_module
from sivae_translate.inference import folder as folder_module
from sivae_translate.inference.folder import translate_folder
from sivae_translate.inference.manifest import MANIFEST, Manifest
from sivae_translate.inference.translator import Translator


def test_outputs_inside_the_input_are_no_inputs(translator: Translator, tmp_path: Path) -> None:
    source = images(tmp_path / "in", "a.png", "b/c.png")
    for _ in range(2):
        summary = translate_folder(translator, source, source / "out")
        assert summary.written + summary.skipped == 6 and summary.failed == summary.left_out == 0


def test_outputs_are_of_the_format_whatever_the_spelling_of_the_suffix(translator: Translator, tmp_path: Path) -> None:
    source = images(tmp_path / "in", "a.jpeg", "b.JPG", "c.png")
    translate_folder(translator, source, tmp_path / "out", to="car001", format="jpg")
    for name in ("a.jpeg", "b.JPG", "c.png.jpg"):
        assert Image.open(tmp_path / "out" / name).format == "JPEG"


# --- no output is lost ------------------------------------------------------------------------------------------------


def test_a_foreign_file_is_never_overwritten_and_fails_its_row_alone(translator: Translator, tmp_path: Path) -> None:
    source, out = images(tmp_path / "in", "a.png", "b.png", "c.png"), tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_text("mine")
    (out / "b.png").symlink_to(tmp_path / "nowhere")
    summary = translate_folder(translator, source, out, to=["car001"])
    assert (summary.written, summary.failed) == (1, 2)
    assert (out / "a.png").read_text() == "mine" and (out / "b.png").is_symlink()
    assert statuses(out) == {"a.png": "failed", "b.png": "failed", "c.png": "ok"}


def test_an_output_that_cannot_have_its_name_fails_its_row_alone(translator: Translator, tmp_path: Path) -> None:
    long = "x" * 251 + ".png"  # as long as a name may be; with .webp it is too long
    source, out = images(tmp_path / "in", "a.png", long, "b/c.png"), tmp_path / "out"
    out.mkdir()
    (out / "b").write_text("a file where a folder should be")
    summary = translate_folder(translator, source, out, to=["car001"], format="webp")
    assert (summary.written, summary.failed) == (1, 2)
    assert statuses(out) == {"a.png": "ok", long: "failed", "c.png": "failed"}


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
        patch.setattr(Manifest, "add", counted(Manifest.add))
        patch.setattr(os, "replace", counted(os.replace))
        patch.setattr(Path, "unlink", lambda *_, **__: None)
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


# --- nothing is dropped in silence ------------------------------------------------------------------------------------


def test_every_file_that_is_no_input_has_a_row_and_a_reason(translator: Translator, tmp_path: Path) -> None:
    source, out = images(tmp_path / "in", "a.png", "b.jpg"), tmp_path / "out"
    for name in ("c.jxl", "d.JXL", "e.mp4", "f.dng", "no suffix", "notes.txt", ".hidden", "Thumbs.db"):
        (source / name).write_bytes(b"data")
    images(tmp_path / "elsewhere", "x.png")
    (source / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    lost = {"c.jxl", "d.JXL", "e.mp4", "f.dng", "linked"}
    for written in (4, 0):
        summary = translate_folder(translator, source, out, to=["car001", "car002"])
        assert (summary.written, summary.skipped, summary.left_out) == (written, 4 - written, 7)
        assert {each.path.name: each.lost for each in summary.reasons} == {
            name: name in lost for name in lost | {"no suffix", "notes.txt"}
        }
        left_out = [row for row in rows(out) if row["status"] == "left out"]
        assert {Path(row["input"]).name for row in left_out} == lost | {"no suffix", "notes.txt"}
        assert all(row["reason"] and not row["output"] and not row["target"] for row in left_out)
        assert len(rows(out)) == 4 + 7


def test_failed_inputs_and_broken_references_have_a_reason(translator: Translator, tmp_path: Path) -> None:
    source, style = images(tmp_path / "in", "a.png", "b.png"), images(tmp_path / "style", "s.png", "t.png")
    for path in (source / "b.png", style / "t.png"):
        path.write_bytes(path.read_bytes()[:50])
    (style / "u.jxl").write_bytes(b"data")
    summary = translate_folder(translator, source, tmp_path / "out", style=style)
    assert (summary.written, summary.failed, summary.left_out) == (1, 1, 0)
    reasons = {each.path: each.reason for each in summary.reasons if each.lost}
    assert set(reasons) == {source / "b.png", style / "t.png", style / "u.jxl"}
    assert reasons[source / "b.png"] == reasons[style / "t.png"] == "truncated"


# --- arguments --------------------------------------------------------------------------------------------------------


def test_paths_and_a_domain_may_be_texts(translator: Translator, tmp_path: Path) -> None:
    source, out = images(tmp_path / "in", "a.png"), tmp_path / "out"
    assert translate_folder(translator, str(source), str(out), to="car001").written == 1
    assert translate_folder(translator, str(source), str(tmp_path / "out2"), style=str(source)).written == 1


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"batch": 0}, "0"),
        ({"batch": -1}, "-1"),
        ({"to": "zebra"}, "zebra"),
        ({"to": [""]}, "''"),
        ({"style": "nowhere.png"}, "nowhere.png"),
    ],
)
def test_wrong_arguments_are_errors_before_a_folder_is_made(
    translator: Translator, tmp_path: Path, options: dict[str, Any], part: str
) -> None:
    with pytest.raises(UsageError, match=part):
        translate_folder(translator, images(tmp_path / "in", "a.png"), tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_cannot_be_written_is_found_before_an_image_is_read(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = images(tmp_path / "in", "a.png")
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(folder_module, "in_order", None)
    monkeypatch.setattr(files_module, "read_images", None)
    for options in ({"to": "car001"}, {"style": source}):
        with pytest.raises(SivaeError, match="file/out") as error:
            translate_folder(translator, source, tmp_path / "file/out", **options)
        assert error.value.exit_code == 1


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
