"""Processes that translate one folder: the first one waits, merges their manifests and has the sum of their counts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from folders import images, rows
from torch.distributed import HashStore

from sivae_translate.data.listing import Account, LeftOut
from sivae_translate.inference import together
from sivae_translate.inference.folder import Summary, translate_folder
from sivae_translate.inference.manifest import MANIFEST
from sivae_translate.inference.together import Together, own_gpu, sum_of, text_of
from sivae_translate.inference.translator import Translator

NAMES = tuple(f"{letter}.png" for letter in "abcdefgh")


def test_the_first_process_merges_what_all_have_done(translator: Translator, tmp_path: Path) -> None:
    source, out, whole = images(tmp_path / "in", *NAMES), tmp_path / "out", tmp_path / "whole"
    (source / "bad.png").write_text("no image")
    (source / "x.jxl").write_text("not read")
    for first in ("old.png", "a.png"):  # an earlier call, of which one row still counts
        images(tmp_path / "early", first)
    translate_folder(translator, tmp_path / "early", out, to="car001")
    (out / "old.png").unlink()
    alone = translate_folder(translator, source, whole, to="car001")

    store, done = HashStore(), list[Summary | None]()
    for rank in (2, 1, 0):
        process = Together(store, rank, 3)
        summary = translate_folder(translator, source, out, to="car001", share=process.share)
        done.append(process.merged(out, summary))
    assert done[:2] == [None, None]
    (_, _, total) = done
    assert total is not None and total.written + total.skipped == alone.written == len(NAMES)
    assert (total.failed, total.left_out) == (alone.failed, alone.left_out) == (1, 1)
    assert sorted(total.reasons.lines()) == sorted(alone.reasons.lines()) and total.reasons.lost
    assert total.manifest == out / MANIFEST and [path.name for path in out.glob("manifest*")] == [MANIFEST]
    listed = sorted((row["input"], row["status"]) for row in rows(out))
    assert listed == sorted((row["input"], row["status"]) for row in rows(whole))


def test_the_first_process_waits_for_the_others(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out, store = images(tmp_path / "in", *NAMES), tmp_path / "out", HashStore()
    processes = [Together(store, rank, 2) for rank in (0, 1)]

    def finish(seconds: float) -> None:
        monkeypatch.undo()
        processes[1].merged(out, translate_folder(translator, source, out, to="car001", share="2/2"))

    monkeypatch.setattr(together.time, "sleep", finish)
    total = processes[0].merged(out, translate_folder(translator, source, out, to="car001", share="1/2"))
    assert total is not None and total.written == len(NAMES)


def test_what_several_processes_have_left_out_counts_once() -> None:
    shared, odd = LeftOut(Path("style.png"), "not an image"), LeftOut(Path("\udcff.png"), "rejected", lost=False)
    parts = [
        Summary(1, 0, 0, 1, 0, Path("x"), Account([shared, odd])),
        Summary(2, 3, 0, 0, 0, Path("x"), Account([shared])),
    ]
    total = sum_of([text_of(part) for part in parts], Path("manifest.jsonl"))
    assert (total.written, total.skipped, total.rejected) == (3, 3, 1)
    assert list(total.reasons) == [shared, odd] and dict(total.reasons.counts) == {"not an image": 1, "rejected": 1}


def test_each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert own_gpu("auto") == "auto"  # without one
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for count, expected in ((4, "cuda:1"), (1, "cuda:0")):
        monkeypatch.setattr(torch.cuda, "device_count", lambda count=count: count)
        assert own_gpu("auto") == own_gpu("cuda") == expected
    assert (own_gpu("cpu"), own_gpu("cuda:3")) == ("cpu", "cuda:3")
