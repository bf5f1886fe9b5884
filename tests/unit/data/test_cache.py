"""The cache of decoded images gives the pixels of the file, whatever became of the cache or of the file."""

from __future__ import annotations

import os
import pickle
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sivae_translate.data import cache
from sivae_translate.data.cache import ImageCache
from sivae_translate.data.domains import Source
from sivae_translate.data.images import Frame, UnreadableImage
from sivae_translate.data.reader import read_in_frame

FRAME = Frame(16, "crop", (255, 255, 255))


@pytest.fixture(autouse=True)
def own_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches of this test alone, which take files as new as those of a test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.setattr(cache, "FRESH", 0.0)


@pytest.fixture
def sources(tmp_path: Path) -> list[Source]:
    """Nine images of one grey level each, and a file that is none; all BMP of the same size."""
    folder = tmp_path / "grey"
    folder.mkdir()
    for level in range(9):
        Image.new("RGB", (20, 16), (level,) * 3).save(folder / f"{level}.bmp")
    (folder / "text.bmp").write_bytes(b"no picture" * 20)
    return [Source(path) for path in sorted(folder.iterdir())]


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that the cache has decoded."""
    names: list[str] = []

    def read(source: Source, frame: Frame) -> np.ndarray:
        names.append(source.path.name)
        return read_in_frame(source, frame)

    monkeypatch.setattr(cache, "read_in_frame", read)
    return names


def opened(sources: list[Source], frame: Frame = FRAME) -> ImageCache:
    return ImageCache(sources[0].path.parent, frame)


def read_all(sources: list[Source], frame: Frame = FRAME) -> ImageCache:
    """The cache, after each image was read and found to be as it is in its file."""
    images = opened(sources, frame)
    for source in sources:
        try:
            expected: Any = read_in_frame(source, frame)
        except UnreadableImage as error:
            with pytest.raises(UnreadableImage) as caught:
                images.read(source)
            assert str(caught.value) == str(error)
            continue
        np.testing.assert_array_equal(images.read(source), expected)
    images.flush()
    return images


def test_no_image_is_decoded_twice(sources: list[Source], decoded: list[str]) -> None:
    read_all(sources)
    assert len(decoded) == 10  # the one that cannot be read too
    read_all(sources)
    assert len(decoded) == 10


def test_a_cached_image_can_be_changed_like_a_decoded_one(sources: list[Source]) -> None:
    image = read_all(sources).read(sources[3])
    image[:] = 77
    read_all(sources)


def test_a_relative_folder_has_the_same_cache(
    sources: list[Source], decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read_all(sources)
    monkeypatch.chdir(sources[0].path.parent)
    read_all([Source(Path(source.path.name)) for source in sources])
    assert len(decoded) == 10


@pytest.mark.parametrize(
    "frame", [Frame(8, "crop", (255,) * 3), Frame(16, "pad", (255,) * 3), Frame(16, "pad", (0,) * 3)]
)
def test_another_frame_has_other_pixels(sources: list[Source], frame: Frame) -> None:
    read_all(sources)
    read_all(sources, frame)


@pytest.mark.parametrize("times_kept", [False, True])
def test_a_file_that_is_replaced_is_decoded_again(sources: list[Source], decoded: list[str], times_kept: bool) -> None:
    read_all(sources)
    path, before = sources[4].path, sources[4].path.stat()
    Image.new("RGB", (20, 16), (200,) * 3).save(path)
    if times_kept:  # as by unpacking an archive whose files all have the same time
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    read_all(sources)
    assert len(decoded) == 11


def test_a_file_that_vanishes_is_not_served_from_the_cache(sources: list[Source]) -> None:
    images = read_all(sources)
    sources[4].path.unlink()
    with pytest.raises(UnreadableImage):
        images.read(sources[4])


def test_a_file_that_may_still_be_written_is_not_kept(
    sources: list[Source], decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "FRESH", 60.0)
    read_all(sources)
    read_all(sources)
    assert len(decoded) == 20


def test_trouble_that_may_pass_is_not_kept(sources: list[Source], monkeypatch: pytest.MonkeyPatch) -> None:
    def read(source: Source, frame: Frame) -> np.ndarray:
        try:
            raise OSError(5, "Input/output error")
        except OSError as error:
            raise UnreadableImage("input/output error") from error

    monkeypatch.setattr(cache, "read_in_frame", read)
    images = opened(sources)
    with pytest.raises(UnreadableImage, match="input/output"):
        images.read(sources[0])
    images.flush()
    monkeypatch.undo()
    read_all(sources)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def swap(path: Path, size: int) -> None:
    data = path.read_bytes()
    path.write_bytes(data[size : 2 * size] + data[:size] + data[2 * size :])


DAMAGE: dict[str, Callable[[ImageCache], object]] = {
    "a pixel": lambda images: flip(images.rows, 3 * images.row_bytes + 100),
    "a sum": lambda images: flip(images.rows, 3 * images.row_bytes + 1),
    "a key": lambda images: flip(images.keys, 3 * cache.KEY),
    "keys in another order": lambda images: swap(images.keys, cache.KEY),
    "rows in another order": lambda images: swap(images.rows, images.row_bytes),
    "rows cut": lambda images: os.truncate(images.rows, 3 * images.row_bytes + 7),
    "keys cut": lambda images: os.truncate(images.keys, 3 * cache.KEY + 7),
    "no rows": lambda images: images.rows.unlink(),
    "no keys": lambda images: images.keys.unlink(),
    "foreign rows": lambda images: images.rows.write_bytes(b"foreign" * 5000),
    "foreign keys": lambda images: images.keys.write_bytes(b"foreign" * 5000),
    "nothing": lambda images: shutil.rmtree(images.folder),
    "a pipe": lambda images: (images.rows.unlink(), os.mkfifo(images.rows)),
    "a folder": lambda images: (images.keys.unlink(), images.keys.mkdir()),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_noticed_and_mended(sources: list[Source], decoded: list[str], what: str) -> None:
    DAMAGE[what](read_all(sources))
    read_all(sources)
    again = len(decoded)
    assert again > 10
    read_all(sources)
    if what not in ("a pipe", "a folder"):
        assert len(decoded) == again


@pytest.mark.parametrize("what", ["a pixel", "rows cut", "nothing"])
def test_damage_under_a_running_process(sources: list[Source], what: str) -> None:
    images = read_all(sources)
    DAMAGE[what](images)
    for level, source in enumerate(sources[:9]):
        assert (images.read(source) == level).all()


def test_two_processes_fill_one_cache(
    sources: list[Source], decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "TOGETHER", 1)
    several = [opened(sources), pickle.loads(pickle.dumps(opened(sources)))]
    with ThreadPoolExecutor(6) as pool:
        reads = [pool.submit(images.read, source) for source in sources[:9] * 4 for images in several]
        levels = [int(read.result().max()) for read in reads]
    assert levels == [level for _ in range(4) for level in range(9) for _ in several]
    before = len(decoded)
    images = read_all(sources)
    assert images.count == 10 and len(decoded) == before + 1


def test_what_one_process_has_decoded_another_one_reads(sources: list[Source], decoded: list[str]) -> None:
    early = opened(sources)
    read_all(sources)
    assert (early.read(sources[5]) == 5).all()
    assert len(decoded) == 10


def test_a_cache_takes_its_part_of_the_free_disk_and_no_more(
    sources: list[Source], decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    total, row = 100_000, cache.SUM + 3 * 16**2

    def usage(folder: Path) -> Any:
        return shutil._ntuple_diskusage(total, 0, total - opened_rows())

    def opened_rows() -> int:
        return sum(path.stat().st_size for path in cache.caches().glob("*/rows"))

    monkeypatch.setattr(cache, "FRACTION", 5.5 * row / total)
    monkeypatch.setattr(shutil, "disk_usage", usage)
    assert opened(sources).room() == 5
    assert read_all(sources).room() == 5
    read_all(sources)
    assert len(decoded) == 10 + 5


@pytest.mark.parametrize("what", ["full", "read-only", "no home", "no permission to lock"])
def test_without_a_usable_disk_images_are_decoded(
    sources: list[Source], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    if what == "full":
        monkeypatch.setattr(cache, "write", refuse)
    elif what == "read-only":
        monkeypatch.setattr(Path, "mkdir", refuse)
    elif what == "no permission to lock":
        monkeypatch.setattr(cache, "FileLock", refuse)
    else:
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setattr(Path, "home", no_home)
    read_all(sources)
    assert read_all(sources).room() == 0


def test_a_cache_that_no_run_has_opened_for_a_month_is_deleted(
    sources: list[Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, old = read_all(sources), read_all(sources, Frame(8, "crop", (255,) * 3))
    other = cache.caches() / "notes"
    other.mkdir()
    (other / "keys").write_text("mine")
    long_ago = time.time() - cache.UNUSED - 60
    os.utime(old.keys, (long_ago, long_ago))
    read_all(sources)
    assert kept.rows.exists() and not old.folder.exists() and (other / "keys").exists()
