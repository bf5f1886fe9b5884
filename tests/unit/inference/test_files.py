"""Results over folders account for every file that they leave out."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from folders import images
from PIL import Image

from sivae_translate.data.listing import LeftOut
from sivae_translate.errors import UsageError
from sivae_translate.inference import files
from sivae_translate.inference.translator import Translator

Call = Callable[[Translator, Path, list[LeftOut]], Any]
CALLS: dict[str, Call] = {
    "images_of": lambda _, folder, left_out: files.images_of(folder, left_out),
    "read_all": files.read_all,
    "mean_code": files.mean_code,
    "reference_style": files.reference_style,
    "direction_between": lambda t, folder, left_out: files.direction_between(t, folder, folder / "a.png", left_out),
    "mix_folders": lambda t, folder, left_out: files.mix_folders(t, folder, folder / "a.png", left_out, count=4),
    "reconstruct_folder": lambda t, folder, left_out: left_out.extend(
        files.reconstruct_folder(t, folder, folder.parent / "out", inversion_steps=0).left_out
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_broken_images_and_files_in_other_formats_are_left_out_with_a_reason(
    translator: Translator, tmp_path: Path, name: str
) -> None:
    folder = images(tmp_path / "in", "a.png", "b.png")
    for other in ("broken.png", "c.jxl", "d.mp4", "notes.txt"):
        (folder / other).write_bytes(b"data")
    left_out = list[LeftOut]()
    CALLS[name](translator, folder, left_out)
    expected = {"c.jxl": True, "d.mp4": True, "notes.txt": False}
    if name != "images_of":
        expected["broken.png"] = True
    assert {each.path.name: each.lost for each in left_out} == expected


@pytest.mark.parametrize("name", CALLS)
def test_a_folder_without_an_image_in_a_known_format_is_an_error_that_names_the_formats(
    translator: Translator, tmp_path: Path, name: str
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jxl").write_bytes(b"data")
    with pytest.raises(UsageError) as error:
        CALLS[name](translator, tmp_path / "in", [])
    assert ".jxl" in str(error.value) and "JPEG" in str(error.value)


def test_reconstructions_of_like_names_do_not_collide(translator: Translator, tmp_path: Path) -> None:
    folder = images(tmp_path / "in", "a.png", "a.jpg", "a.webp")
    result = files.reconstruct_folder(translator, folder, tmp_path / "out", inversion_steps=0)
    assert len(result.after) == 3
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.png", "a.jpg.png", "a.webp.png"}


def test_every_reconstruction_has_its_own_image_s_name_where_others_are_broken(
    translator: Translator, cars: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    shutil.copytree(cars / "unseen/car003", folder)
    views = sorted(folder.iterdir())
    for broken in views[::5]:
        broken.write_bytes(b"data")
    files.reconstruct_folder(translator, folder, tmp_path / "out", inversion_steps=0, batch=3)
    for view in set(views) - set(views[::5]):
        assert Image.open(tmp_path / "out" / view.name).tobytes() == translator.reconstruct(view).tobytes()


def test_a_folder_for_reconstructions_that_cannot_be_written_is_found_before_an_image_is_read(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = images(tmp_path / "in", "a.png")
    (tmp_path / "file").touch()
    monkeypatch.setattr(files, "read_images", None)
    with pytest.raises(UsageError, match="file"):
        files.reconstruct_folder(translator, folder, tmp_path / "file/out", inversion_steps=0)


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_below_one_is_an_error(translator: Translator, tmp_path: Path, batch: int) -> None:
    with pytest.raises(UsageError, match=f"batch was {batch}"):
        files.mean_code(translator, images(tmp_path / "in", "a.png"), [], batch=batch)


def test_a_broken_reference_does_not_change_the_style_of_the_others(translator: Translator, tmp_path: Path) -> None:
    folder = images(tmp_path / "in", "a.png", "b.png")
    expected = files.reference_style(translator, folder, [])
    (folder / "broken.png").write_bytes(b"data")
    assert torch.equal(files.reference_style(translator, folder, []), expected)
