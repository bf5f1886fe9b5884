"""Small files in the published format, and files of other formats with its suffix."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from sivae_translate.data import cars3d
from sivae_translate.data.cars3d import read_view, view_count
from sivae_translate.data.images import UnreadableImage

HEIGHT, WIDTH = 6, 5


def car(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3, 24, 4), dtype=np.uint8)


def write(path: Path, **variables: object) -> Path:
    savemat(path, variables, do_compression=True)
    return path


@pytest.mark.parametrize("name", ["car.mat", "CAR.MAT", "a car", os.fsdecode(b"\xff.mat")])
def test_views_are_in_order_of_azimuth_then_elevation(name: str, tmp_path: Path) -> None:
    path, im = write(tmp_path / "written.mat", im=car()).rename(tmp_path / name), car()
    assert view_count(path) == 96
    for azimuth, elevation in [(0, 0), (0, 3), (1, 0), (13, 2), (23, 3)]:
        view = read_view(path, azimuth * 4 + elevation)
        assert view.dtype == np.uint8
        assert (view == im[..., azimuth, elevation]).all()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_floats_in_0_to_1_are_scaled_to_0_to_255(kind: type, tmp_path: Path) -> None:
    path = write(tmp_path / "car.mat", im=(car() / 255).astype(kind))
    assert (read_view(path, 95) == car()[..., 23, 3]).all()


def test_a_view_is_a_copy_that_the_caller_may_change(tmp_path: Path) -> None:
    path = write(tmp_path / "car.mat", im=car())
    read_view(path, 0)[:] = 0
    assert (read_view(path, 0) == car()[..., 0, 0]).all()


def test_a_changed_file_is_reread(tmp_path: Path) -> None:
    path = write(tmp_path / "car.mat", im=car())
    read_view(path, 0)
    write(path, im=car(1))
    os.utime(path, ns=(0, 0))
    assert (read_view(path, 0) == car(1)[..., 0, 0]).all()


@pytest.mark.parametrize("view", [-1, 96])
def test_a_view_out_of_range_is_an_error(view: int, tmp_path: Path) -> None:
    with pytest.raises(IndexError, match=str(view)):
        read_view(write(tmp_path / "car.mat", im=car()), view)


WRONG: dict[str, tuple[dict[str, object], str]] = {
    "no im": ({"image": car()}, "'im'.*'image'"),
    "views in one row": ({"im": car().reshape(HEIGHT, WIDTH, 3, 96)}, "6, 5, 3, 96"),
    "no colour": ({"im": car()[:, :, :1]}, "im"),
    "16 bits": ({"im": car().astype(np.uint16)}, "uint16"),
    "text": ({"im": "a car"}, "char"),
    "no pixels": ({"im": car()[:0]}, "pixels"),
}


@pytest.mark.parametrize("case", WRONG)
def test_other_arrays_are_unreadable_by_the_header_alone(case: str, tmp_path: Path) -> None:
    variables, reason = WRONG[case]
    path = write(tmp_path / "car.mat", **variables)
    for read in (view_count, lambda path: read_view(path, 0)):
        with pytest.raises(UnreadableImage, match=reason):
            read(path)


@pytest.mark.parametrize("value", [-0.1, 1.5, np.nan, np.inf, 0.5 + 1j])
def test_floats_outside_0_to_1_are_unreadable(value: complex, tmp_path: Path) -> None:
    im = (car() / 255).astype(type(value) if isinstance(value, complex) else float)
    im[0, 0, 0, 5, 1] = value
    path = write(tmp_path / "car.mat", im=im)
    with pytest.raises(UnreadableImage, match=r"0\.\.1"):
        read_view(path, 0)


@pytest.mark.parametrize("data", [b"", b"hello\n", b"\x89HDF\r\n\x1a\n" + bytes(600), bytes(4), bytes(600)])
def test_other_files_are_unreadable(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "car.mat").write_bytes(data)
    with pytest.raises(UnreadableImage):
        view_count(tmp_path / "car.mat")


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("part", [0.01, 0.2, 0.5, 0.99])
def test_a_truncated_file_is_unreadable(part: float, compressed: bool, tmp_path: Path) -> None:
    path = tmp_path / "car.mat"
    savemat(path, {"im": car()}, do_compression=compressed)
    os.truncate(path, int(path.stat().st_size * part))
    with pytest.raises(UnreadableImage):
        read_view(path, 0)


def test_pipes_folders_and_missing_files_are_unreadable(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mat")
    for name in ("pipe.mat", "no.mat", ""):
        with pytest.raises(UnreadableImage):
            read_view(tmp_path / name, 0)


def test_threads_that_read_one_file_load_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, loads, two_loads = write(tmp_path / "car.mat", im=car()), list[Path](), threading.Barrier(2)

    def counted(path: Path) -> int:
        loads.append(path)
        with suppress(threading.BrokenBarrierError):
            two_loads.wait(0.3)  # gives a second load time to begin; the test passes however slow the machine is
        return view_count(path)

    monkeypatch.setattr(cars3d, "view_count", counted)
    with ThreadPoolExecutor(4) as pool:
        views = list(pool.map(lambda view: read_view(path, view), range(4)))
    assert len(loads) == 1
    assert all((view == car()[..., 0, elevation]).all() for elevation, view in enumerate(views))
