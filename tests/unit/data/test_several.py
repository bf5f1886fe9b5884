"""Several folders as one data set: what becomes a domain, what is held out, and what is an error."""

from __future__ import annotations

from pathlib import Path

import pytest
from folders import images

from sivae_translate.data.check import check_domains
from sivae_translate.data.domains import Domains, find_domains
from sivae_translate.errors import UsageError


def found(domains: Domains) -> dict[str, int]:
    return dict(zip(domains.names, domains.counts(), strict=True))


def test_folders_of_images_are_domains(tmp_path: Path) -> None:
    a, b = images(tmp_path / "my photos", "2.png", "1.png"), images(tmp_path / "art", "1.png")
    domains = find_domains([a, b])
    assert found(domains) == {"art": 1, "my photos": 2} and domains.labelled and not domains.notes
    assert [source.path.name for source in domains.sources] == ["1.png", "1.png", "2.png"]
    assert find_domains([str(b), str(a)]).sources == domains.sources


def test_folders_of_domains_are_merged_by_name(tmp_path: Path) -> None:
    one, two = (
        images(tmp_path / "1", "horse/1.png", "zebra/1.png"),
        images(tmp_path / "2", "horse/1.png", "okapi/1.png"),
    )
    domains = find_domains((one, two))
    assert found(domains) == {"horse": 2, "okapi": 1, "zebra": 1}
    assert len(domains.notes) == 2 and str(one) in domains.notes[0]


def test_a_domain_and_a_folder_of_domains_are_mixed(tmp_path: Path) -> None:
    folders = [images(tmp_path / "art", "1.png"), images(tmp_path / "set", "horse/1.png", "zebra/1.png")]
    assert found(find_domains(folders)) == {"art": 1, "horse": 1, "zebra": 1}


def test_held_out_splits_among_the_folders_are_not_used(tmp_path: Path) -> None:
    sides = [images(tmp_path / name, "1.png", "2.png") for name in ("testA", "testB", "trainA", "trainB")]
    domains = find_domains(sides)
    assert found(domains) == {"A": 2, "B": 2} and "testA" in domains.notes[0]
    assert [name for name, _ in domains.held_out["test"]] == ["A", "A", "B", "B"]
    splits = [images(tmp_path / name, "red/1.png", "blue/1.png") for name in ("train", "test")]
    assert found(find_domains(splits)) == {"blue": 1, "red": 1}


def test_relative_and_absolute_folders_are_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images(tmp_path / "a", "1.png")
    monkeypatch.chdir(tmp_path)
    assert found(find_domains(["a", images(tmp_path / "b", "1.png")])) == {"a": 1, "b": 1}


def test_the_check_counts_lost_pictures_in_their_domains(tmp_path: Path) -> None:
    for name in ("1/horse", "1/zebra", "2/horse", "art/deep"):
        images(tmp_path / name, "1.png", "2.png")
    for broken in ("1/zebra/x.png", "2/horse/deep/x.png", "2/horse/y.png"):
        (tmp_path / broken).parent.mkdir(exist_ok=True)
        (tmp_path / broken).write_text("no image")
    report = check_domains(find_domains([tmp_path / "1", tmp_path / "2"]))
    assert {row.name: (row.count, row.lost) for row in report.rows} == {"horse": (4, 2), "zebra": (2, 1)}


@pytest.mark.parametrize(
    ("folders", "parts"),
    [
        (["a/images", "b/images"], ["a/images", "b/images", "rename"]),
        (["set", "set/horse"], ["set/horse", "inside"]),
        (["set", "set/../set"], ["set", "twice"]),
        (["set", "nowhere"], ["nowhere"]),
        ([], ["empty"]),
    ],
)
def test_what_would_count_twice_or_not_at_all_is_an_error(tmp_path: Path, folders: list[str], parts: list[str]) -> None:
    images(tmp_path, "a/images/1.png", "b/images/1.png", "set/horse/1.png", "set/zebra/1.png")
    with pytest.raises(UsageError) as error:
        find_domains([tmp_path / folder for folder in folders])
    assert all(part in str(error.value) for part in parts), error.value
