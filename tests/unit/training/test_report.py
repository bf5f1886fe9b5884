"""The report of a run: when it is written, what it keeps, and that no failure of it ends training."""

from __future__ import annotations

import errno
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sivae_translate.pages.tables import Table
from sivae_translate.progress import Silent
from sivae_translate.recipe import Recipe, load_recipe
from sivae_translate.training import report as report_module
from sivae_translate.training.constructors import complete
from sivae_translate.training.directory import write_recipe
from sivae_translate.training.facts import read_facts
from sivae_translate.training.report import RunReport, show_evaluation
from sivae_translate.training.state import State

TABLE = Table("4 pairs", ["", "model"], [["PSNR", "22.67"]], {"PSNR": "a note"})


class Notes(Silent):
    """A display that keeps its notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return complete(load_recipe("tiny", ["training.minutes=0", "training.images=100"]))


@pytest.fixture
def report(tmp_path: Path, recipe: Recipe) -> RunReport:
    return begun(tmp_path, recipe)


def begun(run: Path | None, recipe: Recipe, state: State | None = None, **known: Any) -> RunReport:
    known = {"trained_on": 10, "domains": 2, "machine": ["a machine"], **known}
    return RunReport(run, recipe, Notes(), state or State(), **known)


def notes(report: RunReport) -> list[str]:
    assert isinstance(report.display, Notes)
    return report.display.notes


def page(run: Path) -> str:
    return (run / "report.html").read_text(encoding="utf-8")


def status(run: Path) -> str:
    facts = read_facts(run)
    assert facts is not None
    return facts.status


# --- when it is written ---------------------------------------------------------------------------------------------


def test_updates_take_a_hundredth_of_the_time_at_most(report: RunReport, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, took, written = [1000.0], iter([0.1, 2.0, 0.1, 0.1]), list[float]()
    monkeypatch.setattr(report_module.time, "monotonic", lambda: clock[0])

    def write(*arguments: object) -> None:
        written.append(clock[0])
        clock[0] += next(took)

    monkeypatch.setattr(report_module, "write_report", write)
    while len(written) < 4:
        report(State(1, 10, 1.0), False)
        clock[0] += 0.5
    waited = [after - before for before, after in pairwise(written)]
    assert waited == pytest.approx([30, 202, 30], abs=0.6)


def test_the_last_update_is_never_left_out(report: RunReport, tmp_path: Path) -> None:
    report(State(1, 10, 1.0), False)
    assert status(tmp_path) == "running" and 'http-equiv="refresh"' in page(tmp_path)
    report(State(2, 20, 2.0), False)  # early
    assert "10 images seen" in page(tmp_path)
    report(State(10, 100, 10.0), True)
    assert status(tmp_path) == "finished" and "100 images seen" in page(tmp_path)
    assert "refresh" not in page(tmp_path)


def test_the_page_is_named_once(report: RunReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_module, "FRESH", 0.0)
    monkeypatch.setattr(report_module, "COST", 1e9)
    for images in (0, 10, 20):
        report(State(1, images, 1.0), False)
    assert notes(report) == [f"watch this run: {tmp_path}/report.html"]
    assert "20 images seen" in page(tmp_path)


def test_a_signal_interrupts_and_an_error_fails(report: RunReport, tmp_path: Path) -> None:
    state = State(5, 50, 5.0)
    report(state, True)
    assert status(tmp_path) == "interrupted" and "50%" in page(tmp_path)
    for error, shown in ((ValueError("it <b>broke</b>\nhere"), "failed"), (KeyboardInterrupt(), "interrupted")):
        with pytest.raises(type(error)), report.of_failures(lambda: state):
            raise error
        assert status(tmp_path) == shown
        assert ("it &lt;b&gt;broke" in page(tmp_path)) is (shown == "failed")


def test_other_processes_than_the_first_write_nothing(recipe: Recipe, tmp_path: Path) -> None:
    begun(None, recipe)(State(1, 10, 1.0), True)
    assert not list(tmp_path.iterdir())


# --- a run that is resumed ------------------------------------------------------------------------------------------


def test_a_resumed_run_continues_its_report_and_a_new_one_does_not(recipe: Recipe, tmp_path: Path) -> None:
    first, state = begun(tmp_path, recipe), State(5, 50, 5.0)
    first.facts = first.facts.model_copy(update={"started": "2001-02-03 04:05:06", "peak_memory": 1 << 50})
    first(state, True)
    begun(tmp_path, recipe, state, machine=["another"])(state, False)
    kept = read_facts(tmp_path)
    assert kept is not None and (kept.started, kept.peak_memory) == ("2001-02-03 04:05:06", 1 << 50)
    assert kept.machine == ["another"] and kept.status == "running" and kept.reason == ""
    begun(tmp_path, recipe)(State(), False)
    anew = read_facts(tmp_path)
    assert anew is not None and anew.started > "2026" and 0 < anew.peak_memory < 1 << 50


@pytest.mark.parametrize("text", ['"images": -1', '"seconds": NaN', '"status": "odd"', '"machine": 3'])
def test_damaged_facts_begin_anew(recipe: Recipe, tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text('{"made_by": "sivae-translate", "kind": "train", ' + text + "}")
    assert read_facts(tmp_path) is None
    report = begun(tmp_path, recipe, State(5, 50, 5.0))
    report(State(6, 60, 6.0), True)
    assert not notes(report) and status(tmp_path) == "interrupted"


# --- what goes wrong ------------------------------------------------------------------------------------------------


def test_a_full_disk_is_noted_once_and_the_old_page_is_kept(
    report: RunReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(State(1, 10, 1.0), True)
    before = page(tmp_path)

    def full(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(report_module, "write_text_atomic", full)
    for images in (20, 30):
        report(State(1, images, 1.0), True)
    assert notes(report) == ["report.html cannot be written (No space left on device): training goes on without"]
    assert page(tmp_path) == before
    monkeypatch.undo()
    report(State(1, 40, 1.0), True)
    assert "40 images seen" in page(tmp_path)


def test_a_fault_of_our_own_is_noted_too(report: RunReport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_module, "run_page", lambda *arguments: 1 // 0)
    report(State(1, 10, 1.0), True)
    assert "division" in notes(report)[0]


@pytest.mark.parametrize("name", ["report.html", "report.json"])
def test_a_file_of_somebody_else_is_kept(report: RunReport, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("<!doctype html> mine")
    report(State(1, 10, 1.0), True)
    report(State(2, 20, 2.0), True)
    assert len(notes(report)) == 1 and name in notes(report)[0]
    assert [path.name for path in tmp_path.iterdir()] == [name] and (tmp_path / name).read_text().endswith("mine")


def test_a_folder_and_a_device_are_no_page(report: RunReport, tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    report(State(1, 10, 1.0), True)
    (tmp_path / "report.html").rmdir()
    (tmp_path / "report.html").symlink_to("/dev/full")
    report(State(1, 10, 1.0), True)
    assert len(notes(report)) == 1 and not Path("/dev/full").is_file()


# --- an evaluation --------------------------------------------------------------------------------------------------


def test_an_evaluation_is_shown_and_stays_while_the_run_goes_on(recipe: Recipe, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    write_recipe(run / "recipe.toml", recipe)
    begun(run, recipe)(State(5, 50, 5.0), True)
    assert show_evaluation(run, tmp_path / "an evaluation#1" / "index.html", [TABLE])
    assert 'href="../an%20evaluation%231/index.html"' in page(run) and "<td>22.67</td>" in page(run)
    assert "a note" not in page(run) and "after 50 images" not in page(run)
    begun(run, recipe, State(5, 50, 5.0))(State(9, 90, 9.0), True)
    assert "<td>22.67</td>" in page(run) and "after 50 images" in page(run)


def test_a_link_is_a_path_and_runs_no_script(recipe: Recipe, tmp_path: Path) -> None:
    report = begun(tmp_path, recipe)
    write_recipe(tmp_path / "recipe.toml", recipe)
    report(State(5, 50, 5.0), True)
    (tmp_path / "javascript:alert(1)").mkdir()
    assert show_evaluation(tmp_path, tmp_path / "javascript:alert(1)" / "index.html", [TABLE])
    assert "javascript:" not in page(tmp_path)


def test_without_a_report_an_evaluation_is_not_shown(tmp_path: Path) -> None:
    assert not show_evaluation(tmp_path, tmp_path / "index.html", [TABLE])
    assert not list(tmp_path.iterdir())
