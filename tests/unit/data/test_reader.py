"""The threaded reader: in order, in bounded memory, with a reason for every unreadable file."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sivae_translate.data import reader
from sivae_translate.data.domains import Source
from sivae_translate.data.images import Frame, UnreadableImage, fit, read_image
from sivae_translate.data.listing import LeftOut
from sivae_translate.data.reader import read_each, read_images, read_in_frame, read_source, source_size

WHITE = (255, 255, 255)
FRAME = Frame(8, "pad", (1, 2, 3))


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """A hundred images, each of one grey level and larger than the frame; number 7 is damaged."""
    found = [tmp_path / f"{level}.png" for level in range(100)]
    for level, path in enumerate(found):
        Image.new("RGB", (20, 10), (level,) * 3).save(path)
    found[7].write_bytes(b"")
    return found


def test_images_come_in_order_and_in_the_frame(paths: list[Path]) -> None:
    images = list(read_images(paths, FRAME))
    assert len(images) == 100
    assert isinstance(images[7], LeftOut) and images[7].path == paths[7]
    for level, image in enumerate(images):
        if level != 7:
            assert isinstance(image, np.ndarray) and image.dtype == np.uint8
            np.testing.assert_array_equal(image, fit(read_image(paths[level]), 8, "pad", (1, 2, 3)))
            assert image[4, 4].tolist() == [level] * 3 and image[0, 0].tolist() == [1, 2, 3]


def test_paths_and_sources_read_alike(paths: list[Path]) -> None:
    chosen = [paths[3], paths[7]]
    from_paths, from_sources = (list(read_images(items, FRAME)) for items in (chosen, [Source(p) for p in chosen]))
    np.testing.assert_array_equal(from_paths[0], from_sources[0])
    np.testing.assert_array_equal(from_paths[0], read_in_frame(paths[3], FRAME))
    assert from_paths[1] == from_sources[1] and isinstance(from_paths[1], LeftOut)


def test_nothing_to_read_gives_nothing() -> None:
    assert list(read_images([], FRAME)) == []


def test_progress_counts_the_images_that_the_caller_is_done_with(paths: list[Path]) -> None:
    calls: list[tuple[int, int]] = []
    images = read_images(paths[:3], FRAME, progress=lambda done, total: calls.append((done, total)))
    next(images)
    assert calls == []
    next(images)
    assert calls == [(1, 3)]
    list(images)
    assert calls == [(1, 3), (2, 3), (3, 3)]


def counted(paths: list[Path]) -> tuple[Iterator[Path | LeftOut], list[Path]]:
    """A reader that gives paths for images, and the list of paths it has read."""
    seen: list[Path] = []

    def read(source: Source) -> Path:
        seen.append(source.path)
        return source.path

    return read_each(read, paths), seen


def test_no_more_is_read_ahead_than_the_bound(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "AHEAD", 5)
    results, seen = counted(paths)
    for returned, _ in enumerate(results, start=1):
        assert len(seen) <= returned + 5
    assert len(seen) == 100


def test_a_caller_that_stops_early_cancels_the_reads_ahead(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled, seen = threading.Event(), list[Path]()

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(False, cancel_futures=cancel_futures)
            cancelled.set()
            super().shutdown(wait)

    def read(source: Source) -> None:
        if source.path != paths[0]:
            cancelled.wait()
        seen.append(source.path)

    monkeypatch.setattr(reader, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(reader, "THREADS", 1)
    for _ in read_each(read, paths):
        break
    assert len(seen) <= 2


def test_an_error_other_than_an_unreadable_image_reaches_the_caller(paths: list[Path]) -> None:
    def read(source: Source) -> None:
        raise UnreadableImage("bad") if source.path == paths[0] else MemoryError

    results = read_each(read, paths)
    assert next(results) == LeftOut(paths[0], "bad")
    with pytest.raises(MemoryError):
        next(results)


def test_a_source_is_read_on_its_background_and_reduced(tmp_path: Path) -> None:
    path = tmp_path / "1.png"
    Image.new("RGBA", (3, 2), (0, 0, 0, 0)).save(path)
    assert read_source(Source(path), background=(1, 2, 3)).tolist() == [[[1, 2, 3]] * 3] * 2
    Image.new("RGB", (80, 160)).save(tmp_path / "1.jpg")
    assert read_source(Source(tmp_path / "1.jpg"), background=WHITE, min_side=20).shape == (40, 20, 3)


def test_an_unreadable_image_keeps_its_reason_in_another_process(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match=r"^no such file or directory$") as caught:
        read_in_frame(Source(tmp_path / "vanished.png"), FRAME)
    assert str(pickle.loads(pickle.dumps(caught.value))) == "no such file or directory"


def test_the_frame_has_the_white_of_deep_images(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 51, np.float32)).save(tmp_path / "1.tif")
    assert (read_in_frame(tmp_path / "1.tif", replace(FRAME, white=255)) == 51).all()
    assert (read_in_frame(tmp_path / "1.tif", replace(FRAME, white=510)) == 26).all()
    with pytest.raises(UnreadableImage, match="white"):
        read_in_frame(tmp_path / "1.tif", FRAME)


def test_the_size_of_a_source_comes_from_its_header(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((3, 5), np.int32)).save(tmp_path / "1.tif")
    assert source_size(Source(tmp_path / "1.tif")) == (5, 3)
    with pytest.raises(UnreadableImage):
        source_size(Source(tmp_path / "2.tif"))
