"""A report replaces an earlier one of its kind, and nothing else."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sivae_translate.errors import UsageError
from sivae_translate.reports import FILE, begin_report, free_name, report_folder, write_report


def test_a_folder_is_made_and_its_report_can_be_replaced(tmp_path: Path) -> None:
    out = report_folder(tmp_path / "a/b", "ood")
    assert list(out.iterdir()) == []
    write_report(out, "ood", {"n": 1})
    write_report(report_folder(out, "ood"), "ood", {"n": 2})
    assert json.loads((out / FILE).read_text())["n"] == 2 and os.listdir(out) == [FILE]


def test_an_interrupted_report_can_be_run_again(tmp_path: Path) -> None:
    begin_report(report_folder(tmp_path, "evaluate"), "evaluate")
    (tmp_path / "000000.png").touch()
    assert report_folder(tmp_path, "evaluate") == tmp_path


def test_a_finished_report_stays_until_the_next_one_is_written(tmp_path: Path) -> None:
    write_report(tmp_path, "ood", {"n": 1})
    begin_report(tmp_path, "ood")
    assert json.loads((tmp_path / FILE).read_text())["n"] == 1


@pytest.mark.parametrize("text", ["{}", "no JSON", '{"made_by": "another program"}', "[]", "[" * 10**5])
def test_other_files_are_never_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(UsageError, match="-2"):
        report_folder(tmp_path, "ood")
    assert (tmp_path / FILE).read_text() == text


def test_a_report_of_another_kind_is_another_file(tmp_path: Path) -> None:
    write_report(tmp_path, "evaluate", {})
    with pytest.raises(UsageError):
        report_folder(tmp_path, "fidelity")


def test_a_report_that_cannot_be_written_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_report(tmp_path, "ood", {"n": 1})

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError):
            write_report(tmp_path, "ood", {"n": 2})
    assert json.loads((tmp_path / FILE).read_text())["n"] == 1 and os.listdir(tmp_path) == [FILE]


def test_the_free_name_is_the_first_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x-2.png").touch()
    assert free_name(tmp_path / "x.png") == tmp_path / "x-3.png"
    monkeypatch.chdir(tmp_path)
    assert free_name(Path(".")) == tmp_path.parent / f"{tmp_path.name}-2"
