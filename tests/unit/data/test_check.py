"""The check before training: a row per domain, every bad file, and a warning per flaw."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from folders import tree
from PIL import Image
from scipy.io import savemat

from sivae_translate.data.check import check_domains, report_lines
from sivae_translate.data.domains import find_domains
from sivae_translate.errors import UsageError


def draw(path: Path, seed: int = 0, size: tuple[int, int] = (20, 20)) -> Path:
    """A small image, whose pixels depend on the seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "PNG")
    return path


def cars3d(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    im = np.random.default_rng(seed).integers(0, 256, (17, 18, 3, 24, 4), dtype=np.uint8)
    savemat(path, {"im": im})
    return path


def test_a_row_counts_sizes_kinds_and_bad_files(tmp_path: Path) -> None:
    draw(tmp_path / "red" / "1.png", 1, size=(20, 90))
    draw(tmp_path / "red" / "2.png", 2, size=(40, 30))
    draw(tmp_path / "red" / "3.png", 3, size=(30, 50))
    (tmp_path / "red" / "4.png").write_bytes(b"")
    (tmp_path / "red" / "5.png").symlink_to("nowhere")
    (tmp_path / "blue").mkdir()
    Image.new("L", (16, 16)).save(tmp_path / "blue" / "1.png")
    Image.new("RGBA", (16, 16)).save(tmp_path / "blue" / "2.png")
    Image.fromarray(np.full((16, 16), 1000, np.uint16)).save(tmp_path / "blue" / "3.png")
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "blue" / "4.gif", save_all=True, append_images=frames[1:])
    seen: list[tuple[int, int]] = []
    result = check_domains(find_domains(tmp_path), progress=lambda done, total: seen.append((done, total)))
    blue, red = result.rows
    assert (red.name, red.count, red.lost) == ("red", 3, 2)
    assert (red.smallest, red.median, red.largest) == ((20, 30), (30, 50), (40, 90))
    assert red.kinds == {}
    assert (blue.name, blue.count, blue.lost) == ("blue", 4, 0)
    assert blue.kinds == {"grey": 1, "transparent": 1, "16-bit grey": 1, "several frames": 1}
    assert {(bad.path.name, bad.reason) for bad in result.left_out} == {
        ("4.png", "empty file"),
        ("5.png", "broken link"),
    }
    assert seen == [(done, 8) for done in range(1, 9)]


def test_a_set_without_flaws_gives_no_warning(tmp_path: Path) -> None:
    for seed in range(6):
        draw(tmp_path / "ab"[seed % 2] / f"{seed}.png", seed)
    result = check_domains(find_domains(tmp_path))
    assert result.warnings == () and result.left_out == ()


def valid(root: Path) -> Path:
    """Two domains of three images each, without any flaw."""
    for seed in range(6):
        draw(root / "ab"[seed % 2] / f"{seed}.png", seed)
    return root


def single(root: Path) -> None:
    draw(root / "c" / "1.png", 50)


def unbalanced(root: Path) -> None:
    for seed in range(100, 130):
        draw(root / "a" / f"{seed}.png", seed)


def small(root: Path) -> None:
    draw(root / "a" / "small.png", 50, size=(300, 15))


def duplicates(root: Path) -> None:
    Image.open(root / "a" / "0.png").save(root / "b" / "again.bmp")


def identical(root: Path) -> None:
    for name in ("again.png", "once more.png"):
        shutil.copy(root / "a" / "0.png", root / "a" / name)


def blank(root: Path) -> None:
    for seed in range(2):
        Image.new("RGB", (20, 20 + seed), "red").save(root / "b" / f"blank{seed}.png")
    Image.fromarray(np.array([[[1, 1, 1], [1, 1, 1]], [[1, 1, 1], [1, 2, 1]]], np.uint8)).resize((20, 20), 0).save(
        root / "b" / "nearly.png"
    )


def many_bad(root: Path) -> None:
    (root / "a" / "bad.png").write_text("no image")


def a_domain_of_bad_files(root: Path) -> None:
    (root / "c").mkdir()
    (root / "c" / "bad.png").write_text("no image")


def bare_images(root: Path) -> None:
    draw(root / "bare.png", 50)


def other_files(root: Path) -> None:
    tree(root, "a/1.jxl", "a/2.jxl", "pairs.csv", "LICENSE", ".hidden")


def no_images(root: Path) -> None:
    (root / "c").mkdir()


def linked_folder(root: Path) -> None:
    (root / "c").symlink_to("a")


WARNINGS: dict[Callable[[Path], None], list[str]] = {
    single: ["domain c .*"],
    unbalanced: [".*33.* a.*3.* b"],
    small: [".*16.*1"],
    duplicates: [r".*1.*a/0\.png.*b/again\.bmp"],
    identical: [r"identical.*: 2, .*a/0\.png and .*a/again\.png"],
    blank: [r"blank.*: 2, .*b/blank0\.png"],
    many_bad: [r".*1 of 7.*a/bad\.png.*"],
    a_domain_of_bad_files: [".*1 of 7.*", "domain c .*"],
    bare_images: [r".*1 of 7.*bare\.png.*"],
    other_files: [r".*2 of 8.*1\.jxl.*"],
    no_images: [".*: c"],
    linked_folder: [".*1 of 7.*c: .*"],
}


@pytest.mark.parametrize("add_flaw", WARNINGS, ids=lambda add_flaw: add_flaw.__name__)
def test_each_flaw_gives_its_warnings(add_flaw: Callable[[Path], None], tmp_path: Path) -> None:
    add_flaw(valid(tmp_path / "set"))
    lines = check_domains(find_domains(tmp_path / "set")).warnings
    assert len(lines) == len(WARNINGS[add_flaw]), lines
    for line, expected in zip(lines, WARNINGS[add_flaw], strict=True):
        assert re.fullmatch(expected, line)


def test_the_report_accounts_for_everything_that_is_left_out(tmp_path: Path) -> None:
    root = valid(tmp_path / "set")
    other_files(root)
    linked_folder(root)
    lines = report_lines(check_domains(find_domains(root)))
    left_out = [line for line in lines if line.startswith("left out ")]
    assert len(left_out) == 4
    for name in ("1.jxl", "2.jxl", "pairs.csv", "LICENSE", "set/c"):
        assert sum(name in line for line in left_out) == 1


def test_images_of_held_out_splits_that_are_trained_on_give_a_warning(tmp_path: Path) -> None:
    root = tmp_path / "set"
    valid(root / "train")
    draw(root / "test" / "a" / "other.png", 50)
    (root / "test" / "a" / "bad.png").write_text("no image")
    for name in ("x.png", "y.png"):
        (root / "test" / "b").mkdir(exist_ok=True)
        shutil.copy(root / "train" / "a" / "0.png", root / "test" / "b" / name)
    report = check_domains(find_domains(root))
    assert [row.count for row in report.rows] == [3, 3] and report.left_out == ()
    assert re.search(r"images of test/ .*: 2, such as .*train/a/0\.png and .*test/b/x\.png", report.warnings[-1])
    assert sum("such as" in line for line in report.warnings) == 1


def test_images_without_sub_folders_give_a_warning(tmp_path: Path) -> None:
    draw(tmp_path / "1.png", 1)
    draw(tmp_path / "2.png", 2)
    assert [line[:14] for line in check_domains(find_domains(tmp_path)).warnings] == ["no sub-folders"]


def test_a_single_domain_gives_a_warning(tmp_path: Path) -> None:
    draw(tmp_path / "red" / "1.png", 1)
    draw(tmp_path / "red" / "2.png", 2)
    warnings = check_domains(find_domains(tmp_path)).warnings
    assert len(warnings) == 1 and warnings[0].startswith("red is a single domain")


def test_a_set_without_a_readable_image_is_an_error(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", "a/1.png", "b/1.png")
    with pytest.raises(UsageError, match=r"set/.*2.*a/1\.png"):
        check_domains(find_domains(root))


def test_a_damaged_cars3d_file_is_one_bad_file(tmp_path: Path) -> None:
    cars3d(tmp_path / "a.mat", 1)
    cars3d(tmp_path / "b.mat", 2)
    spoiled = cars3d(tmp_path / "c.mat", 3)
    domains = find_domains(tmp_path)
    os.truncate(spoiled, spoiled.stat().st_size // 2)
    result = check_domains(domains)
    assert [(row.name, row.count, row.lost, row.largest) for row in result.rows] == [
        ("a", 96, 0, (18, 17)),
        ("b", 96, 0, (18, 17)),
        ("c", 0, 1, (0, 0)),
    ]
    assert [bad.path for bad in result.left_out] == [spoiled]
    assert domains.without(result.left_out).names == ("a", "b")


def test_odd_names_stay_on_one_line(tmp_path: Path) -> None:
    for i, name in enumerate(("new\nline", os.fsdecode(b"\xff\xfe"), "\u202e")):
        draw(tmp_path / name / f"{name}.png", seed=i)
    (tmp_path / "new\nline" / "bad\n.png").write_text("no image")
    lines = report_lines(check_domains(find_domains(tmp_path)))
    assert len(lines) == 1 + 3 + 1 + 1 + 4  # heading, domains, totals, bad file, warnings
    assert all(line.isprintable() and line.encode() for line in lines)


def test_deep_images_are_checked_with_the_white_of_their_set(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for number, values in enumerate(([[0, 300]], [[0, 40]], [[-9, 300]])):
        Image.fromarray(np.array(values, np.int32)).save(tmp_path / "a" / f"{number}.tif")
    report = check_domains(find_domains(tmp_path))
    assert (report.rows[0].count, report.rows[0].kinds) == (3, {"32-bit grey": 3})
    Image.fromarray(np.array([[-9000, 300]], np.int32)).save(tmp_path / "a" / "2.tif")
    report = check_domains(find_domains(tmp_path))
    assert report.rows[0].count == 2 and "negative" in report.left_out[0].reason
