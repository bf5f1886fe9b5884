"""A first look at a set: its size and the fingerprints of its files, without reading them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from sivae_translate.data import survey as module
from sivae_translate.data.domains import Domains, Source
from sivae_translate.data.images import UnreadableImage
from sivae_translate.data.survey import name_below, survey, unreadable_domains


def domains_of(root: Path, **files: int) -> Domains:
    """Domains of so many files each, of ten bytes."""
    sources, labels = [], []
    for label, (name, count) in enumerate(sorted(files.items())):
        (root / name).mkdir()
        for i in range(count):
            path = root / name / f"{i}.png"
            path.write_bytes(b"0123456789")
            sources.append(Source(path))
            labels.append(label)
    return Domains(root, root, tuple(sorted(files)), tuple(sources), tuple(labels), (), True)


def test_a_set_is_small_by_its_images_and_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = survey(domains_of(tmp_path, red=3, blue=2))
    assert first.size == 50 and len(set(first.digests)) == 5 and first.small
    monkeypatch.setattr(module, "MOST_IMAGES", 4)
    assert not first.small
    monkeypatch.undo()
    monkeypatch.setattr(module, "MOST_BYTES", 49)
    assert not first.small


def test_the_views_of_a_file_count_its_bytes_once(tmp_path: Path) -> None:
    path = tmp_path / "car.mat"
    path.write_bytes(b"0123456789")
    sources = tuple(Source(path, view) for view in range(96))
    first = survey(Domains(tmp_path, tmp_path, ("car",), sources, (0,) * 96, (), True))
    assert first.size == 10 and len(set(first.digests)) == 96


def test_a_file_that_has_vanished_is_no_error(tmp_path: Path) -> None:
    domains = domains_of(tmp_path, red=3)
    before = survey(domains)
    os.unlink(domains.sources[1].path)
    after = survey(domains)
    assert after.size == 20 and [a == b for a, b in zip(before.digests, after.digests, strict=True)] == [
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("folder", "path"), [("a", "a/b/1.png"), ("/a", "/a/b/1.png"), (".", "b/1.png"), ("/", "/b/1.png")]
)
def test_the_name_below_a_folder_does_not_depend_on_where_it_is(folder: str, path: str) -> None:
    assert name_below(folder, path) == b"b/1.png"


def test_of_each_domain_no_more_is_read_than_one_readable_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sivae_translate.data.reader.AHEAD", 1)
    domains = domains_of(tmp_path, bad=3, good=50, late=50)
    read: list[str] = []

    def attempt(source: Source) -> Any:
        name = f"{source.path.parent.name}/{source.path.name}"
        read.append(name)
        if name.startswith("bad") or name in ("late/0.png", "late/1.png"):
            raise UnreadableImage("truncated")

    calls: list[tuple[int, int]] = []
    lost = unreadable_domains(domains, attempt, lambda done, total: calls.append((done, total)))
    assert [(each.path.parent.name, each.reason) for each in lost] == [("bad", "truncated")] * 3
    assert len(read) < 10 and calls == [(1, 3), (2, 3), (3, 3)]
    assert domains.without(lost).names == ("good", "late")
