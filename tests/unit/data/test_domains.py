"""Domains from a folder in any state, or one line of error with a fix."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from folders import tree
from scipy.io import savemat

from sivae_translate.data.domains import Domains, Source, find_domains
from sivae_translate.data.listing import IMAGE_SUFFIXES, LeftOut
from sivae_translate.errors import UsageError


def cars3d(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    im = np.random.default_rng(seed).integers(0, 256, (17, 18, 3, 24, 4), dtype=np.uint8)
    savemat(path, {"im": im})
    return path


def listing(domains: Domains) -> dict[str, list[str]]:
    """Each domain's images, relative to the root."""
    found: dict[str, list[str]] = {name: [] for name in domains.names}
    for source, label in zip(domains.sources, domains.labels, strict=True):
        found[domains.names[label]].append(source.path.relative_to(domains.root).as_posix())
    return found


# --- layouts ---


LAYOUTS = {
    "a folder per domain": (
        ["red/2.png", "red/1.jpg", "blue/1.PNG"],
        {"blue": ["blue/1.PNG"], "red": ["red/1.jpg", "red/2.png"]},
    ),
    "one domain": (["red/1.png"], {"red": ["red/1.png"]}),
    "nested": (
        ["red/a/b/2.png", "red/1.png", "blue/x/1.png"],
        {"blue": ["blue/x/1.png"], "red": ["red/1.png", "red/a/b/2.png"]},
    ),
    "bare images beside": (["red/1.png", "1.png"], {"red": ["red/1.png"]}),
    "an empty sub-folder": (["red/1.png", "blue/readme.txt"], {"red": ["red/1.png"]}),
    "train and test": (
        ["train/red/1.png", "train/blue/1.png", "test/red/1.png", "pairs.csv"],
        {"blue": ["train/blue/1.png"], "red": ["train/red/1.png"]},
    ),
    "train and all the others": (
        ["train/red/1.png", "test/red/1.png", "val/red/1.png", "unseen/blue/1.png"],
        {"red": ["train/red/1.png"]},
    ),
    "train alone": (
        ["train/red/1.png", "train/blue/1.png"],
        {"blue": ["train/blue/1.png"], "red": ["train/red/1.png"]},
    ),
    "train and a folder without images": (["train/red/1.png", "docs/a.txt"], {"red": ["train/red/1.png"]}),
    "trains are not a split": (
        ["train/1.png", "plane/1.png"],
        {"plane": ["plane/1.png"], "train": ["train/1.png"]},
    ),
    "only a test folder": (["test/1.png", "red/1.png"], {"red": ["red/1.png"], "test": ["test/1.png"]}),
    "CycleGAN": (
        ["trainA/1.png", "trainB/2.png", "testA/3.png", "testB/4.png"],
        {"A": ["trainA/1.png"], "B": ["trainB/2.png"]},
    ),
    "half a CycleGAN": (["trainA/1.png", "testA/3.png"], {"A": ["trainA/1.png"]}),
    "splits in capitals": (["Train/red/1.png", "Test/red/1.png"], {"red": ["Train/red/1.png"]}),
    "training and testing": (["Training/a/1.png", "Testing/a/1.png"], {"a": ["Training/a/1.png"]}),
    "train and eval": (["train/a/1.png", "eval/a/1.png"], {"a": ["train/a/1.png"]}),
    "train and dev": (["train/a/1.png", "dev/a/1.png"], {"a": ["train/a/1.png"]}),
    "train, test and another": (["train/a/1.png", "test/a/1.png", "b/1.png"], {"a": ["train/a/1.png"]}),
    "sides with a separator": (
        ["train_A/1.png", "train_B/2.png", "test_A/3.png", "test_B/4.png"],
        {"A": ["train_A/1.png"], "B": ["train_B/2.png"]},
    ),
    "sides in capitals": (
        ["TrainA/1.png", "TrainB/2.png", "TestA/3.png"],
        {"A": ["TrainA/1.png"], "B": ["TrainB/2.png"]},
    ),
    "sides by name": (
        ["train_horse/1.png", "train_zebra/2.png", "test_horse/3.png"],
        {"horse": ["train_horse/1.png"], "zebra": ["train_zebra/2.png"]},
    ),
    "sides before splits": (
        ["horse_train/1.png", "horse_test/2.png", "zebra_train/3.png"],
        {"horse": ["horse_train/1.png"], "zebra": ["zebra_train/3.png"]},
    ),
    "two spellings of one side": (
        ["trainA/1.png", "train_A/2.png"],
        {"trainA": ["trainA/1.png"], "train_A": ["train_A/2.png"]},
    ),
    "trains by kind": (
        ["express_train/1.png", "freight_train/2.png", "bus/3.png", "tram/4.png"],
        {
            "bus": ["bus/3.png"],
            "express_train": ["express_train/1.png"],
            "freight_train": ["freight_train/2.png"],
            "tram": ["tram/4.png"],
        },
    ),
    "splits inside domains": (
        ["A/train/1.png", "A/test/2.png", "B/training/1.png", "B/val/2.png", "B/3.png"],
        {"A": ["A/train/1.png"], "B": ["B/3.png", "B/training/1.png"]},
    ),
    "a test folder inside a domain without training": (
        ["a/test/1.png", "b/1.png"],
        {"a": ["a/test/1.png"], "b": ["b/1.png"]},
    ),
    "training images are no split": (
        ["trains/1.png", "trainers/2.png"],
        {"trainers": ["trainers/2.png"], "trains": ["trains/1.png"]},
    ),
    "junk": (
        [
            "red/1.png",
            "red/._1.png",
            "red/.hidden.png",
            ".git/1.png",
            "__MACOSX/red/1.png",
            "red/Thumbs.db",
            ".DS_Store",
        ],
        {"red": ["red/1.png"]},
    ),
    "other files": (["red/1.png", "red/1.txt", "red/png", "red/1.png.part", "red/1.mat"], {"red": ["red/1.png"]}),
}
NOTES = {  # of the layouts above that leave a choice
    "an empty sub-folder": "blue",
    "train and test": r"set/train.*test \(1 images\)",
    "train and all the others": "test .*, unseen .*, val ",
    "trains are not a split": "train",
    "only a test folder": "test",
    "CycleGAN": r"A, B.*testA \(1 images\), testB",
    "half a CycleGAN": "A.*testA",
    "splits in capitals": "Train.*Test",
    "training and testing": "Training.*Testing",
    "train and eval": "eval",
    "train and dev": "dev",
    "train, test and another": r"b \(1 images\), test",
    "sides with a separator": "A, B.*test_A",
    "sides in capitals": "A, B.*TestA",
    "sides by name": "horse, zebra.*test_horse",
    "sides before splits": "horse, zebra.*horse_test",
    "splits inside domains": r"set/A .*test \(1 images\)",
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_each_layout_gives_its_domains(case: str, tmp_path: Path) -> None:
    names, expected = LAYOUTS[case]
    domains = find_domains(tree(tmp_path / "set", *names))
    assert listing(domains) == expected
    assert list(domains.names) == sorted(expected)
    assert domains.counts() == [len(expected[name]) for name in domains.names]
    assert bool(domains.notes) == (case in NOTES)
    assert re.search(NOTES.get(case, ""), " ".join(domains.notes))
    assert domains.labelled and domains.root == tmp_path / "set"


@pytest.mark.parametrize("names", [["2.png", "1.png"], ["train/2.png", "train/1.png", "test/1.png"]])
def test_bare_images_are_one_unlabelled_domain(names: list[str], tmp_path: Path) -> None:
    domains = find_domains(tree(tmp_path / "my set", *names))
    assert not domains.labelled
    assert domains.names == ("my set",)
    assert [source.path.name for source in domains.sources] == ["1.png", "2.png"]


def test_the_folder_here_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree(tmp_path / "set", "1.png"))
    assert find_domains(".").names == ("set",)


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_image_suffixes_in_either_case(suffix: str, tmp_path: Path) -> None:
    root = tree(tmp_path / "set", f"a/1{suffix}", f"a/2{suffix.upper()}", f"a/{suffix}")
    assert find_domains(root).counts() == [2]


def test_the_order_is_that_of_the_names_and_not_of_the_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tree(tmp_path / "set", *(f"{domain}/{i}.png" for domain in "cab" for i in (10, 9, 1)), "b/x/1.png")
    forwards = find_domains(root)
    real = os.scandir

    class Backwards:
        def __init__(self, folder: Path) -> None:
            with real(folder) as entries:
                self.entries = sorted(entries, key=lambda entry: entry.name, reverse=True)

        def __enter__(self) -> Backwards:
            return self

        def __exit__(self, *_: object) -> None: ...

        def __iter__(self):  # type: ignore[no-untyped-def]
            return iter(self.entries)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", Backwards)
        backwards = find_domains(root)
    assert backwards == forwards
    assert forwards.names == ("a", "b", "c")
    assert listing(forwards)["b"] == ["b/1.png", "b/10.png", "b/9.png", "b/x/1.png"]


ODD_NAMES = [
    "a b",
    "-rf",
    "new\nline",
    "[red]",
    "{x}",
    "ö",
    "o\u0308",
    os.fsdecode(b"\xff\xfe"),
    "%s",
    "n" * 250,
    "\u202e",
]


def test_odd_names_of_folders_and_files(tmp_path: Path) -> None:
    domains = find_domains(tree(tmp_path / "set", *(f"{name}/{name}.png" for name in ODD_NAMES)))
    assert sorted(domains.names) == sorted(ODD_NAMES)
    assert domains.counts() == [1] * len(ODD_NAMES)


def test_domains_travel_to_workers(tmp_path: Path) -> None:
    domains = find_domains(tree(tmp_path / "set", "a/1.png", "b/1.png"))
    assert pickle.loads(pickle.dumps(domains)) == domains


# --- links ---


def test_linked_files_are_followed_and_linked_folders_are_not(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", "red/1.png")
    outside = tree(tmp_path / "outside", "2.png")
    (root / "red" / "up").symlink_to("..")
    (root / "red" / "self.png").symlink_to("self.png")
    (root / "red" / "file.png").symlink_to(outside / "2.png")
    (root / "red" / "gone.png").symlink_to("nowhere.png")
    (root / "blue").symlink_to(outside)
    domains = find_domains(root)
    assert listing(domains) == {"red": ["red/1.png", "red/file.png"]}
    assert [(bad.path.name, bad.lost) for bad in domains.left_out] == [
        ("blue", True),
        ("up", True),
        ("gone.png", True),
        ("self.png", True),
    ]


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    tree(tmp_path / "set", "red/1.png")
    (tmp_path / "link").symlink_to("set")
    assert listing(find_domains(tmp_path / "link")) == {"red": ["red/1.png"]}


def test_a_linked_folder_named_like_an_image_is_called_a_linked_folder(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", "red/1.png")
    for link in ("red/2.png", "3.png"):
        (root / link).symlink_to(tree(tmp_path / "outside"))
    assert {each.reason for each in find_domains(root).left_out} == {"a linked folder, which is not followed"}


def test_a_pipe_is_bad(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", "red/1.png")
    os.mkfifo(root / "red" / "2.png")
    assert [bad.path for bad in find_domains(root).left_out] == [root / "red" / "2.png"]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_forbidden_folder_is_bad(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", "red/1.png", "red/secret/2.png")
    (root / "red" / "secret").chmod(0)
    try:
        assert [bad.path for bad in find_domains(root).left_out] == [root / "red" / "secret"]
    finally:
        (root / "red" / "secret").chmod(0o700)


def test_a_folder_that_fails_to_list_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree(tmp_path / "set", "red/1.png", "red/secret/2.png")
    real = os.scandir

    def failing(folder: Path):  # type: ignore[no-untyped-def]
        if Path(folder).name == "secret":
            raise PermissionError(13, "Permission denied")
        return real(folder)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", failing)
        domains = find_domains(root)
    assert listing(domains) == {"red": ["red/1.png"]}
    assert [bad.path for bad in domains.left_out] == [root / "red" / "secret"]


# --- what else a folder may mean ---


def test_a_folder_of_domains_inside_the_only_domain_gives_a_hint(tmp_path: Path) -> None:
    root = tree(tmp_path / "photos", "photos/horse/1.png", "photos/zebra/2.png")
    domains = find_domains(root)
    assert domains.names == ("photos",)
    assert len(domains.notes) == 1 and str(root / "photos") in domains.notes[0]
    assert find_domains(root / "photos").names == ("horse", "zebra")


def test_images_beside_the_domains_and_held_out_ones_are_told_apart(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", "train/a/1.png", "train/a/2.jxl", "train/3.png", "train/4.txt", "test/a/5.jxl")
    left_out = {(each.path.relative_to(root).as_posix(), each.lost) for each in find_domains(root).left_out}
    assert left_out == {("train/a/2.jxl", True), ("train/3.png", True), ("train/4.txt", False)}


def test_images_beside_a_training_split_are_accounted_for(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", "train/a/1.png", "test/a/5.png", "3.png", "photo.jxl")
    left_out = {(each.path.relative_to(root).as_posix(), each.lost) for each in find_domains(root).left_out}
    assert left_out == {("3.png", True), ("photo.jxl", True)}


# --- nothing to read ---


NOTHING = {
    "missing": (
        [],
        "no such set",
        r"no such set.*no such set/red/1\.png",
    ),
    "a file": (["a.png"], "set/a.png", r"set/a\.png.*set/red/1\.png"),
    "empty": ([], "set", r"set/.*set/red/1\.png.*sivae-translate cars"),
    "empty sub-folders": (["red/.keep", "blue/.keep"], "set", r"set/"),
    "other files": (["red/1.jxl", "red/2.jxl", "a.txt"], "set", r"2 \.jxl, 1 \.txt.*JPEG"),
    "an odd name": ([], "new\nline", r"new\\nline"),
}


@pytest.mark.parametrize("case", NOTHING)
def test_a_folder_without_images_is_one_line_of_error(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, given, message = NOTHING[case]
    tree(tmp_path / "set", *names)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message) as error:
        find_domains(given)
    assert str(error.value).isprintable()


def test_a_folder_of_linked_folders_alone_holds_no_images(tmp_path: Path) -> None:
    tree(tmp_path / "outside", "1.png")
    (tree(tmp_path / "set") / "red").symlink_to(tmp_path / "outside")
    with pytest.raises(UsageError, match="linked"):
        find_domains(tmp_path / "set")


def test_a_folder_of_broken_links_holds_no_readable_image(tmp_path: Path) -> None:
    root = tree(tmp_path / "links", "red/.keep")
    (root / "red" / "1.png").symlink_to("nowhere")
    with pytest.raises(UsageError, match=r"links/.*1\.png"):
        find_domains(root)


# --- leaving out ---


def test_bad_files_are_left_out_with_the_domains_they_empty(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", "blue/1.png", "green/1.png", "red/1.png", "red/2.png")
    domains = find_domains(root)
    bad = [LeftOut(root / "green" / "1.png", "truncated"), LeftOut(root / "red" / "1.png", "empty file")]
    rest = domains.without(bad)
    assert listing(rest) == {"blue": ["blue/1.png"], "red": ["red/2.png"]}
    assert rest.labels == (0, 1) and rest.counts() == [1, 1]
    assert rest.left_out == tuple(bad)
    assert rest.without(bad) == rest
    assert domains.without([]) == domains
    with pytest.raises(UsageError, match=r"set/.*4"):
        domains.without(LeftOut(source.path, "git-lfs pointer") for source in domains.sources)


def test_git_lfs_pointers_suggest_git_lfs_pull(tmp_path: Path) -> None:
    domains = find_domains(tree(tmp_path / "set", "a/1.png"))
    with pytest.raises(UsageError, match="git lfs pull"):
        domains.without([LeftOut(domains.sources[0].path, "git-lfs pointer")])


# --- Cars3D ---


def test_cars3d_is_a_domain_per_file(tmp_path: Path) -> None:
    for name in ("b.mat", "a.mat", "a-b.MAT"):
        cars3d(tmp_path / name)
    (tmp_path / "._a.mat").touch()
    (tmp_path / "broken.mat").write_bytes(b"no")
    domains = find_domains(tmp_path)
    assert domains.names == ("a", "a-b", "b")
    assert domains.counts() == [96] * 3 and domains.labelled
    assert [bad.path for bad in domains.left_out] == [tmp_path / "broken.mat"]
    assert domains.sources[96 + 7] == Source(tmp_path / "a-b.MAT", 7)
