"""Finished translations are recognised by the content of input and output, and no other file is overwritten."""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from folders import image, images, rows, statuses

from sivae_translate.errors import UsageError
from sivae_translate.inference import manifest as manifest_module
from sivae_translate.inference import tasks as tasks_module
from sivae_translate.inference.folder import Summary, translate_folder
from sivae_translate.inference.threshold import Threshold
from sivae_translate.inference.translator import Translator


def numbers(summary: Summary) -> tuple[int, int, int]:
    return summary.written, summary.skipped, summary.failed


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- finished ---------------------------------------------------------------------------------------------------------


def test_rows_hold_the_hashes_of_input_and_output(translator: Translator, tmp_path: Path) -> None:
    source, out = images(tmp_path / "in", "a.png", "b.jpg"), tmp_path / "out"
    for _ in range(2):
        translate_folder(translator, source, out)
        for row in rows(out):
            assert row["input_sha256"] == sha256(Path(row["input"]))
            assert row["output_sha256"] == sha256(out / row["output"])
        assert len(rows(out)) == 6


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


def test_inputs_that_have_moved_are_finished_and_their_rows_follow(translator: Translator, tmp_path: Path) -> None:
    source, out = images(tmp_path / "in", "a.png", "b/c.png"), tmp_path / "out"
    translate_folder(translator, source, out, to="car001")
    source.rename(tmp_path / "moved")
    assert numbers(translate_folder(translator, tmp_path / "moved", out, to="car001")) == (0, 2, 0)
    assert {row["input"] for row in rows(out)} == {str(tmp_path / "moved/a.png"), str(tmp_path / "moved/b/c.png")}


def test_a_path_alone_proves_nothing(translator: Translator, tmp_path: Path) -> None:
    """The folder of one shoot is replaced by another with the same names."""
    source, out = images(tmp_path / "in", "a.png", "b.png"), tmp_path / "out"
    translate_folder(translator, source, out, to="car001")
    before = {name: (out / name).read_bytes() for name in ("a.png", "b.png")}
    image(source / "a.png", 20)
    assert numbers(translate_folder(translator, source, out, to="car001")) == (1, 1, 0)
    assert (out / "a.png").read_bytes() != before["a.png"] and (out / "b.png").read_bytes() == before["b.png"]
    translate_folder(translator, source, tmp_path / "fresh", to="car001")
    assert (out / "a.png").read_bytes() == (tmp_path / "fresh/a.png").read_bytes()
    assert statuses(out) == {"a.png": "ok", "b.png": "ok"} and len(rows(out)) == 2
    assert numbers(translate_folder(translator, source, out, to="car001")) == (0, 2, 0)


def test_an_input_that_changes_without_its_pixels_is_finished_in_the_call_after(
    translator: Translator, tmp_path: Path
) -> None:
    source, out = images(tmp_path / "in", "a.png"), tmp_path / "out"
    translate_folder(translator, source, out, to="car001")
    with (source / "a.png").open("ab") as file:
        file.write(b"metadata")
    assert numbers(translate_folder(translator, source, out, to="car001")) == (1, 0, 0)
    assert numbers(translate_folder(translator, source, out, to="car001")) == (0, 1, 0)
    assert len(rows(out)) == 1


@pytest.mark.parametrize("how", ["missing", "empty"])
def test_an_output_that_is_missing_or_empty_is_written_again(translator: Translator, tmp_path: Path, how: str) -> None:
    source, out = images(tmp_path / "in", "a.png", "b.png"), tmp_path / "out"
    translate_folder(translator, source, out, to="car001")
    whole = (out / "a.png").read_bytes()
    (out / "a.png").unlink() if how == "missing" else (out / "a.png").write_bytes(b"")
    assert numbers(translate_folder(translator, source, out, to="car001")) == (1, 1, 0)
    assert (out / "a.png").read_bytes() == whole and len(rows(out)) == 2


def test_a_call_stopped_while_it_compares_files_does_not_wait_for_the_others(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = images(tmp_path / "in", *(f"{i}.png" for i in range(60))), tmp_path / "out"
    translate_folder(translator, source / "0.png", out, to="car001")
    hashed = []

    def slow(path: Path) -> str:
        hashed.append(path)
        time.sleep(0.05)
        return ""

    def stop(*_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(tasks_module, "sha256_of", slow)
    monkeypatch.setattr(manifest_module.Manifest, "is_finished", stop)
    with pytest.raises(KeyboardInterrupt):
        translate_folder(translator, source, out, to="car001")
    assert len(hashed) < 30


def test_another_frame_is_another_job(translator: Translator, tmp_path: Path) -> None:
    source, out = images(tmp_path / "in", "a.png"), tmp_path / "out"
    translate_folder(translator, source, out, to="car001")
    for frame in (replace(translator.frame, fit="pad"), replace(translator.frame, background=(0, 0, 0))):
        other = Translator(translator.model, translator.settings, frame)
        with pytest.raises(UsageError, match="--out"):
            translate_folder(other, source, out, to="car001")


# --- never overwritten ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changed", [False, True], ids=["same input", "input replaced"])
def test_an_output_that_somebody_has_edited_is_kept_and_fails_until_it_is_gone(
    translator: Translator, tmp_path: Path, changed: bool
) -> None:
    source, out = images(tmp_path / "in", "a.png", "b.png"), tmp_path / "out"
    translate_folder(translator, source, out, to="car001")
    ours = (out / "a.png").read_bytes()
    (out / "a.png").write_bytes(b"retouched")
    if changed:
        image(source / "a.png", 20)
    for _ in range(2):
        summary = translate_folder(translator, source, out, to="car001")
        assert numbers(summary) == (0, 1, 1) and (out / "a.png").read_bytes() == b"retouched"
        (row,) = [row for row in rows(out) if row["status"] == "failed"]
        assert "changed" in row["reason"] and next(iter(summary.reasons)).reason == row["reason"]
        assert len(rows(out)) == 2
    (out / "a.png").write_bytes(ours)
    assert numbers(translate_folder(translator, source, out, to="car001")) == ((1, 1, 0) if changed else (0, 2, 0))
    assert statuses(out) == {"a.png": "ok", "b.png": "ok"}
    (out / "a.png").write_bytes(b"retouched")
    translate_folder(translator, source, out, to="car001")
    (out / "a.png").unlink()
    assert numbers(translate_folder(translator, source, out, to="car001")) == (1, 1, 0)


def test_the_output_of_another_input_is_kept(translator: Translator, tmp_path: Path) -> None:
    one, two, out = images(tmp_path / "one", "a.png"), tmp_path / "two", tmp_path / "out"
    shutil.copytree(one, two)
    image(two / "a.png", 20)
    translate_folder(translator, one, out, to="car001")
    before = (out / "a.png").read_bytes()
    for _ in range(2):
        summary = translate_folder(translator, two, out, to="car001")
        assert numbers(summary) == (0, 0, 1) and (out / "a.png").read_bytes() == before
        assert "another input" in next(iter(summary.reasons)).reason
        assert {Path(row["input"]): row["status"] for row in rows(out)} == {
            one / "a.png": "ok", two / "a.png": "failed",
        }  # fmt: skip
    assert numbers(translate_folder(translator, one, out, to="car001")) == (0, 1, 0)


def test_an_input_that_is_broken_later_keeps_its_output_and_is_replaced_once_repaired(
    translator: Translator, tmp_path: Path
) -> None:
    source, out = images(tmp_path / "in", "a.png"), tmp_path / "out"
    translate_folder(translator, source, out, to="car001")
    before = (out / "a.png").read_bytes()
    whole = (source / "a.png").read_bytes()
    (source / "a.png").write_bytes(b"broken")
    for _ in range(2):
        assert numbers(translate_folder(translator, source, out, to="car001")) == (0, 0, 1)
        assert (out / "a.png").read_bytes() == before
        assert statuses(out) == {"a.png": "failed"} and len(rows(out)) == 1
    (source / "a.png").write_bytes(whole)
    assert numbers(translate_folder(translator, source, out, to="car001")) == (0, 1, 0)
    image(source / "a.png", 20)
    assert numbers(translate_folder(translator, source, out, to="car001")) == (1, 0, 0)
    assert (out / "a.png").read_bytes() != before and statuses(out) == {"a.png": "ok"}


@pytest.mark.parametrize("moment", range(5))
def test_a_call_killed_while_it_replaces_outputs_is_finished_by_the_next(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    """As after `kill -9` before the row of an output, or between the row and the rename."""
    source, out = images(tmp_path / "in", "a.png", "b.png"), tmp_path / "out"
    translate_folder(translator, source, out, to="car001")
    old = {name: (out / name).read_bytes() for name in ("a.png", "b.png")}
    for i, name in enumerate(old):
        image(source / name, 20 + i)
    steps = iter(range(100))

    class Killed(BaseException):
        pass

    def counted(call):  # type: ignore[no-untyped-def]
        def step(*arguments):  # type: ignore[no-untyped-def]
            if str(arguments[-1]).endswith(manifest_module.MANIFEST):  # opening
                return call(*arguments)
            if next(steps) >= moment:
                raise Killed
            return call(*arguments)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(manifest_module.Manifest, "add", counted(manifest_module.Manifest.add))
        patch.setattr(manifest_module.os, "replace", counted(manifest_module.os.replace))
        if moment < 4:
            with pytest.raises(Killed):
                translate_folder(translator, source, out, to="car001")
        else:
            translate_folder(translator, source, out, to="car001")
    replaced = sum((out / name).read_bytes() != data for name, data in old.items())
    assert replaced == moment // 2
    assert numbers(translate_folder(translator, source, out, to="car001")) == (2 - replaced, replaced, 0)
    assert statuses(out) == {"a.png": "ok", "b.png": "ok"} and len(rows(out)) == 2
    assert all((out / name).read_bytes() != data for name, data in old.items())


# --- rejected ---------------------------------------------------------------------------------------------------------


def test_a_rejected_input_is_known_by_its_content(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = images(tmp_path / "in", "a.png", "b.png"), tmp_path / "out"
    shutil.copy(source / "a.png", source / "c.png")
    reject = Threshold(float("inf"), 1.0, 1, samples=1, seed=0, beta=0.01, weights="")

    def run(source: Path) -> Summary:
        return translate_folder(translator, source, out, to="car001", reject=reject)

    first = run(source)
    assert (first.rejected, first.written) == (3, 0)
    assert {(each.path.name, each.lost) for each in first.reasons} == {(n, False) for n in ("a.png", "b.png", "c.png")}
    assert len({each.reason for each in first.reasons}) == 1  # so that the account is a line
    before = rows(out)
    assert run(source).skipped == 3 and rows(out) == before
    moved = source.rename(tmp_path / "moved")
    assert run(moved).skipped == 3 and str(moved / "a.png") in {row["input"] for row in rows(out)}
    image(moved / "b.png", 20)
    assert (run(moved).skipped, statuses(out)) == (2, dict.fromkeys(("a.png", "b.png", "c.png"), "rejected"))

    monkeypatch.setattr(Threshold, "rejection", lambda *_: None)
    image(moved / "b.png", 30)
    again = run(moved)
    assert (again.written, again.skipped) == (1, 2)
    assert [row["status"] for row in rows(out) if row["input"] == str(moved / "b.png")] == ["ok"]

    monkeypatch.undo()
    image(moved / "b.png", 40)
    for _ in range(2):
        assert (run(moved).rejected, (out / "b.png").exists()) == (1, True)
        assert [row["status"] for row in rows(out) if row["input"] == str(moved / "b.png")] == ["rejected"]
