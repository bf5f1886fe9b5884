"""The listing of a folder: images, and an account of everything else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from folders import tree
from PIL import Image

from sivae_translate.data.listing import NAMED, REASONS, LeftOut, account, list_folder, list_images
from sivae_translate.errors import UsageError, shown


def test_images_of_a_tree_are_listed_by_suffix_and_sorted(tmp_path: Path) -> None:
    root = tree(tmp_path / "in", "b/1.png", "a.JPG", "a.txt", "._a.jpg", "b/.cache/2.png", "c.png")
    (root / "gone.png").symlink_to("nowhere")
    assert [path.relative_to(root).as_posix() for path in list_images(root)] == [
        "a.JPG",
        "b/1.png",
        "c.png",
        "gone.png",
    ]
    assert list_images(root / "a.txt") == [root / "a.txt"]
    assert list_images(root / "gone.png") == [root / "gone.png"]
    assert list_images(tree(tmp_path / "none")) == []
    with pytest.raises(UsageError, match=r"no\.png"):
        list_images(root / "no.png")


def test_every_other_file_is_accounted_for(tmp_path: Path) -> None:
    root = tree(tmp_path / "in", "1.png", "2.jxl", "3.MP4", "a/4.cr2", "5.txt", "no_suffix", ".hidden", "Thumbs.db")
    tree(tmp_path / "outside", "6.png")
    (root / "a" / "linked").symlink_to(tmp_path / "outside")
    images, left_out = list_folder(root)
    assert images == [root / "1.png"]
    found = {(each.path.relative_to(root).as_posix(), each.lost) for each in left_out}
    lost = {("2.jxl", True), ("3.MP4", True), ("a/4.cr2", True), ("a/linked", True)}
    assert found == lost | {("5.txt", False), ("no_suffix", False)}
    assert [each.path for each in left_out] == sorted(each.path for each in left_out)
    jxl = next(each for each in left_out if each.path.suffix == ".jxl")
    assert "JPEG" in jxl.reason and ".jxl" in jxl.reason


def test_images_without_a_suffix_are_recognised_by_content(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "photo", "PNG")
    (tmp_path / "LICENSE").write_text("no image")
    assert list_images(tmp_path) == [tmp_path / "photo"]


def test_an_account_has_a_line_for_each_reason_with_its_count() -> None:
    several = [LeftOut(Path(f"{i}.jxl"), "not read") for i in range(NAMED + 1)]
    lines = account([LeftOut(Path("new\nline.png"), "truncated"), *several, several[0]])
    assert len(lines) == 2 and "4" in lines[0] and "0.jxl" in lines[0] and "3.jxl" not in lines[0]
    assert "new\\nline.png" in lines[1] and "truncated" in lines[1]
    assert account([]) == []


def test_an_account_of_many_reasons_is_short() -> None:
    lines = account(LeftOut(Path(f"{i}.png"), f"reason {i}") for i in range(REASONS + 5))
    assert len(lines) == REASONS + 1 and "5" in lines[-1]


def test_shown_fits_on_one_line() -> None:
    assert shown("plain/ö.png") == "plain/ö.png"
    assert shown("a\nb\x1b[31m" + os.fsdecode(b"\xff")) == "a\\nb\\x1b[31m\\udcff"


def test_images_of_an_unknown_suffix_are_recognised_by_content(tmp_path: Path) -> None:
    for name in ("IMG_2020.01.02", "x.jpg.1", "x.jpg_orig", "labels.txt"):
        Image.new("RGB", (4, 4)).save(tmp_path / name, "PNG")
    (tmp_path / "y.jpg.part").write_text("no image")
    found = list_folder(tmp_path)
    assert [path.name for path in found.images] == ["IMG_2020.01.02", "x.jpg.1", "x.jpg_orig"]
    assert [(each.path.name, each.lost) for each in found.left_out] == [("labels.txt", False), ("y.jpg.part", False)]
