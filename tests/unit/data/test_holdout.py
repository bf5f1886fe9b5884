"""Which images a run does not learn from, and whether a model may be chosen by them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from folders import tree

from sivae_translate.data.domains import Domains, find_domains
from sivae_translate.data.holdout import HeldOut, hold_out

SPLITS = {  # files -> the held-out ones by split, as (domain, path)
    "beside train": (
        ["train/a/1.png", "train/b/1.png", "val/a/2.png", "val/c/3.png", "test/b/4.png"],
        {"val": [("a", "val/a/2.png")], "test": [("b", "test/b/4.png")]},
    ),
    "CycleGAN": (
        ["trainA/1.png", "trainB/2.png", "testA/3.png", "testB/4.png"],
        {"test": [("A", "testA/3.png"), ("B", "testB/4.png")]},
    ),
    "sides beside a split": (["trainA/1.png", "trainB/2.png", "val/A/3.png"], {"val": [("A", "val/A/3.png")]}),
    "inside domains": (["A/train/1.png", "A/Val/2.png", "B/3.png"], {"val": [("A", "A/Val/2.png")]}),
    "bare images": (["train/1.png", "valid/2.png"], {"valid": [("set", "valid/2.png")]}),
    "none": (["a/1.png", "b/2.png"], {}),
}


@pytest.mark.parametrize("case", SPLITS)
def test_each_layout_gives_its_held_out_images(case: str, tmp_path: Path) -> None:
    names, expected = SPLITS[case]
    root = tree(tmp_path / "set", *names)
    found = {
        split: [(name, source.path.relative_to(root).as_posix()) for name, source in pairs]
        for split, pairs in find_domains(root).held_out.items()
    }
    assert found == expected


def held_out(root: Path, fraction: float = 0.0) -> tuple[Domains, HeldOut | None]:
    return hold_out(find_domains(root), fraction)


def test_a_model_is_chosen_by_a_validation_split_and_not_by_a_test_split(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", "train/a/1.png", "test/a/2.png")
    rest, held = held_out(root)
    assert held is not None and (held.origin, held.chooses, held.domains) == ("test/", False, ("a",))
    tree(root, "dev/a/3.png")
    rest, held = held_out(root)
    assert held is not None and (held.origin, held.chooses) == ("dev/", True)
    assert [source.path.name for source in rest.sources] == ["1.png"]


def test_a_fraction_of_each_domain_is_held_out_and_no_split_is_looked_at(tmp_path: Path) -> None:
    counts = {"a": 40, "b": 10, "c": 1, "d": 2}
    files = [f"train/{domain}/{i}.png" for domain, count in counts.items() for i in range(count)]
    domains = find_domains(tree(tmp_path / "set", *files, "val/a/x.png"))
    rest, held = hold_out(domains, 0.1)
    assert held is not None and held.chooses
    assert {name: held.domains.count(name) for name in "abcd"} == {"a": 4, "b": 1, "c": 0, "d": 1}
    assert rest.counts() == [36, 9, 1, 1] and rest.names == domains.names
    assert sorted([*rest.sources, *held.sources]) == sorted(domains.sources)  # each image is in one of both


def test_the_names_alone_decide(tmp_path: Path) -> None:
    files = [f"{domain}/{i}.png" for domain in "ab" for i in range(30)]
    _, one = held_out(tree(tmp_path / "one", *files), 0.2)
    domains = find_domains(tree(tmp_path / "two", *files))
    order = sorted(range(60), key=lambda row: (domains.labels[row], -row))
    shuffled = replace(domains, sources=tuple(domains.sources[row] for row in order))
    _, two = hold_out(shuffled, 0.2)
    assert one is not None and two is not None
    a, b = ({source.path.parts[-2:] for source in held.sources} for held in (one, two))
    assert a == b and len(a) == 12
