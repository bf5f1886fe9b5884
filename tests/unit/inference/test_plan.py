"""Names of outputs: one for each input, which depends on that input alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sivae_translate.errors import UsageError
from sivae_translate.inference.plan import plan


def files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"\x89PNG")
    return folder


def planned(source: Path, out: Path, format: str = "png") -> dict[str, str]:
    with plan(source, out, format) as found:
        assert len(found) == len(list(found.outputs()))
        return {path.relative_to(source).as_posix(): output.as_posix() for path, output in found.outputs()}


def left_out(source: Path, out: Path) -> list[Path]:
    with plan(source, out, "png") as found:
        return [each.path for each in found.left_out()]


def test_names_and_tree_are_kept_and_another_suffix_is_appended(tmp_path: Path) -> None:
    source = files(tmp_path / "in", "a.jpg", "b/c.tar.png", "b/d.PNG")
    assert planned(source, tmp_path / "out", "webp") == {
        "a.jpg": "a.jpg.webp", "b/c.tar.png": "b/c.tar.png.webp", "b/d.PNG": "b/d.PNG.webp",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "format", "expected"),
    [
        ("a.png", "png", "a.png"),
        ("a.PNG", "png", "a.PNG"),
        ("a.jpeg", "jpg", "a.jpeg"),
        ("a.JPG", "jpg", "a.JPG"),
        ("a.jfif", "jpg", "a.jfif.jpg"),
        ("a.jpeg", "png", "a.jpeg.png"),
        ("no suffix", "webp", "no suffix.webp"),
    ],
)
def test_an_input_of_the_format_s_suffix_keeps_its_name(tmp_path: Path, name: str, format: str, expected: str) -> None:
    source = files(tmp_path / "in", name)
    (source / name).write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(30))  # an image without suffix is known by its content
    assert planned(source, tmp_path / "out", format) == {name: expected}


def test_a_name_does_not_depend_on_the_files_beside_it(tmp_path: Path) -> None:
    names = ["photo.gif", "photo.jpeg", "photo.jpg", "photo.png", "photo.webp"]
    together = planned(files(tmp_path / "in", *names), tmp_path / "out")
    alone = [planned(files(tmp_path / name, name), tmp_path / "out") for name in names]
    assert together == {name: output for each in alone for name, output in each.items()}


@pytest.mark.parametrize(
    "names",
    [
        ["a.jpg", "a.png"],
        ["a.jpg", "a.png", "a.webp", "a.gif", "a.bmp"],
        ["A.png", "a.png"],  # one file on a file system that ignores case
        ["a.gif", "a.gif.gif", "a.gif.png", "a.jpg", "a.jpg.png", "a.png.png"],
        ["A.JPG", "A.JPG.gif", "a.jpg", "a.jpg.png"],
        ["a/x.png", "A/x.png"],
        ["caf\u00e9.png", "cafe\u0301.png"],  # one file where accents are composed
        ["a.jpg", "a.jpg.png/b.png"],
    ],
)
def test_no_two_inputs_share_an_output(tmp_path: Path, names: list[str]) -> None:
    outputs = planned(files(tmp_path / "in", *names), tmp_path / "out")
    assert sorted(outputs) == sorted(names)
    assert max(Counter(output.lower() for output in outputs.values()).values()) == 1
    assert not {output.lower() for output in outputs.values()} & {name.split("/")[0] for name in names if "/" in name}


def test_the_later_of_two_inputs_of_one_output_gets_a_hash_of_its_path(tmp_path: Path) -> None:
    source = files(tmp_path / "in", "a.jpg", "a.jpg.png")
    outputs = planned(source, tmp_path / "out")
    assert outputs["a.jpg"] == "a.jpg.png"
    assert outputs["a.jpg.png"].startswith("a.jpg-") and outputs["a.jpg.png"].endswith(".png")
    elsewhere = files(tmp_path / "elsewhere", "a.jpg", "a.jpg.png", "b.png")
    assert outputs.items() <= planned(elsewhere, tmp_path / "out").items()


def test_outputs_inside_the_input_are_no_inputs_by_way_of_a_link_either(tmp_path: Path) -> None:
    source = files(tmp_path / "in", "a.png", "out/b.png", "out/manifest.jsonl")
    (tmp_path / "link").symlink_to(source)
    (source / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "elsewhere").mkdir()
    for place, out in ((tmp_path / "link", source / "out"), (source, tmp_path / "link/out")):
        assert planned(place, out) == {"a.png": "a.png"}
        assert left_out(place, out) == [place / "linked"]
    assert left_out(source, source / "linked") == [source / "out/manifest.jsonl"]


@pytest.mark.parametrize(
    ("names", "kinds"), [(["a.jxl", "b.JXL", "c.ppm"], ["2 .jxl", "1 .ppm"]), (["a.txt"], [".txt"]), ([], [])]
)
def test_a_folder_without_images_is_an_error_with_its_kinds_of_files_and_the_formats(
    tmp_path: Path, names: list[str], kinds: list[str]
) -> None:
    source = files(tmp_path / "in", *names)
    source.mkdir(exist_ok=True)
    with pytest.raises(UsageError) as error:
        planned(source, tmp_path / "out")
    for part in [str(source), "JPEG", "PNG", "AVIF", *kinds]:
        assert part in str(error.value)
    assert "\n" not in str(error.value)
