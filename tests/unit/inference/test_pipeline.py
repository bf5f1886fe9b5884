"""The stages of a folder's translation: they overlap, encode once, and hold a bounded number of images and names."""

from __future__ import annotations

import gc
import signal
import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from folders import images
from PIL import Image

from sivae_translate.inference import inputs as inputs_module
from sivae_translate.inference import pipeline as pipeline_module
from sivae_translate.inference import rows as rows_module
from sivae_translate.inference.folder import translate_folder
from sivae_translate.inference.manifest import open_manifest
from sivae_translate.inference.plan import plan
from sivae_translate.inference.translator import Translator


def test_an_image_is_encoded_once_for_all_targets(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = images(tmp_path / "in", *(f"{i}.png" for i in range(5))), tmp_path / "out"
    encoded, encode = [], translator.model.encode

    def counted(x: Any) -> Any:
        encoded.append(len(x))
        return encode(x)

    monkeypatch.setattr(translator.model, "encode", counted)
    assert translate_folder(translator, source, out, batch=2).written == 15
    assert sum(encoded) == 5
    (out / "car001/3.png").unlink()
    assert translate_folder(translator, source, out).written == 1
    assert sum(encoded) == 6


def test_the_stages_overlap(translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first output is written only once the next batch is being translated, and a later image is being read."""
    source = images(tmp_path / "in", *(f"{i:02d}.png" for i in range(8)))
    second_batch, later_read = threading.Event(), threading.Event()
    contents, write, read = Translator.contents, pipeline_module.write_temporary, pipeline_module.read_placed
    batches: list[int] = []

    def translating(self: Translator, x: Any) -> Any:
        batches.append(len(x))
        if len(batches) == 2:
            second_batch.set()
        return contents(self, x)

    def writing(*arguments: Any) -> Any:
        assert second_batch.wait(20) and later_read.wait(20)
        return write(*arguments)

    def reading(path: Any, frame: Any, shape: Any) -> Any:
        if path.name == "07.png":
            later_read.set()
        return read(path, frame, shape)

    monkeypatch.setattr(Translator, "contents", translating)
    monkeypatch.setattr(pipeline_module, "write_temporary", writing)
    monkeypatch.setattr(pipeline_module, "read_placed", reading)
    assert translate_folder(translator, source, tmp_path / "out", to="car001", batch=2).written == 8


def test_a_call_that_is_interrupted_twice_leaves_no_temporary_file(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = images(tmp_path / "in", *(f"{i}.png" for i in range(20))), tmp_path / "out"
    discard, contents, write = pipeline_module.discard, Translator.contents, pipeline_module.write_temporary
    batches, stopped = iter(range(100)), threading.Event()

    def interrupted(self: Translator, x: Any) -> Any:
        if next(batches) == 2:
            stopped.set()
            raise KeyboardInterrupt
        return contents(self, x)

    def late(job: Any, row: Any, writing: Any) -> Any:
        result = write(job, row, writing)
        assert job.output.name < "3" or stopped.wait(20)
        return result

    def once_more(waiting: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        discard(waiting)

    monkeypatch.setattr(Translator, "contents", interrupted)
    monkeypatch.setattr(pipeline_module, "write_temporary", late)
    monkeypatch.setattr(pipeline_module, "discard", once_more)
    with pytest.raises(KeyboardInterrupt):
        translate_folder(translator, source, out, to="car001", batch=4)
    assert not list(out.rglob(".tmp-*"))
    monkeypatch.undo()
    done = len(list(out.glob("[!.]*.png")))
    summary = translate_folder(translator, source, out, to="car001")
    assert (summary.written, summary.skipped) == (20 - done, done)


# --- memory -----------------------------------------------------------------------------------------------------------


def test_memory_of_names_and_rows_does_not_grow_with_the_number_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a listing that is only said to exist; a list of its paths would take some 300 bytes for each file."""
    few, many = 300, 1000
    for check in ("lasts", "stands"):  # as if the outputs were there
        monkeypatch.setattr(rows_module, check, lambda folder, row: True)
    (tmp_path / "in").mkdir()

    def peak(count: int) -> int:
        def listed(source: Path) -> Iterator[Path]:
            return (source / f"image-{i:08d}.jpg" for i in range(count))

        monkeypatch.setattr(inputs_module, "each_file", listed)
        out = tmp_path / f"out{count}"
        out.mkdir(exist_ok=True)
        gc.collect()
        tracemalloc.start()
        try:
            with plan(tmp_path / "in", out, "png") as planned:
                assert len(planned) == count
                for _ in range(2):
                    with open_manifest(out, "job") as manifest:
                        for path, output in planned.outputs():
                            manifest.add(path, "car001", out / output, "1" * 64, "2" * 64)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(many)  # what is loaded and grows once
    small = peak(few)
    assert peak(many) - small < 50 * (many - few)


def test_no_more_images_wait_than_two_batches_on_each_side(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = images(tmp_path / "in", *(f"{i:02d}.png" for i in range(60)))
    monkeypatch.setattr("sivae_translate.inference.folder.AHEAD", 1)
    read: list[Path] = []
    contents, inside = Translator.contents, pipeline_module.read_placed
    translated: list[int] = []
    ahead: list[int] = []

    def reading(path: Any, frame: Any, shape: Any) -> Any:
        read.append(path)
        return inside(path, frame, shape)

    def translating(self: Translator, x: Any) -> Any:
        ahead.append(len(read) - sum(translated))
        translated.append(len(x))
        return contents(self, x)

    monkeypatch.setattr(pipeline_module, "read_placed", reading)
    monkeypatch.setattr(Translator, "contents", translating)
    translate_folder(translator, source, tmp_path / "out", to="car001", batch=3)
    assert sum(translated) == 60 and max(translated) <= 3
    assert max(ahead) <= 3 + 2 * 3 + 1
    assert all(Image.open(path).size == (16, 16) for path in (tmp_path / "out").glob("*.png"))


def test_torch_has_its_threads_again_after_a_folder(translator: Translator, tmp_path: Path) -> None:
    def of_a_new_thread() -> int:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(torch.get_num_threads).result()

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        translate_folder(translator, images(tmp_path / "in", "a.png"), tmp_path / "out", to="car001")
        assert torch.get_num_threads() == of_a_new_thread() == 2
    finally:
        torch.set_num_threads(before)
