"""Tables with entries of installed packages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sivae_translate.errors import SivaeError
from sivae_translate.plugins import Table

GROUP = "sivae_translate.tests"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with four entries, of which only `good` can be used."""
    (tmp_path / "some_plugin.py").write_text("good, wrong, mine = 'theirs', 3, 'theirs'\n")
    (tmp_path / "broken_plugin.py").write_text("raise RuntimeError('no such\\nlibrary')\n")
    about = tmp_path / "some_plugin-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: some-plugin\nVersion: 1.0\n")
    entries = (
        "good = some_plugin:good",
        "wrong = some_plugin:wrong",
        "mine = some_plugin:mine",
        "bad = broken_plugin:x",
    )
    (about / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *entries]))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "some_plugin", raising=False)
    return tmp_path


def table() -> Table[str]:
    return Table(GROUP, {"mine": "ours"}, lambda entry: isinstance(entry, str), "a text")


def test_an_installed_package_adds_an_entry_and_replaces_none_of_ours(package: Path) -> None:
    entries = table()
    assert list(entries) == ["mine", "bad", "good", "wrong"] and len(entries) == 4
    assert entries["good"] == "theirs"
    assert entries["mine"] == "ours"
    with pytest.raises(KeyError):
        entries["missing"]


def test_a_package_is_imported_when_its_entry_is_looked_up(package: Path) -> None:
    entries = table()
    assert "good" in entries and "missing" not in entries and "good" in list(entries)
    assert "some_plugin" not in sys.modules
    assert entries["good"] and "some_plugin" in sys.modules


def test_our_entries_are_found_without_looking_for_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sivae_translate.plugins.entry_points", None)
    assert table()["mine"] == "ours"


@pytest.mark.parametrize(("name", "reason"), [("bad", "no such"), ("wrong", "expected a text")])
def test_an_entry_that_cannot_be_used_is_named_with_its_package(package: Path, name: str, reason: str) -> None:
    with pytest.raises(SivaeError) as caught:
        table()[name]
    message = str(caught.value)
    assert name in message and "some-plugin" in message and reason in message and "\n" not in message
