"""Shares of a folder: each input is in one, each has a manifest of its own, and the whole folder merges them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from folders import images, rows

from sivae_translate.errors import UsageError
from sivae_translate.inference.folder import Summary, translate_folder
from sivae_translate.inference.manifest import LOCK, MANIFEST, locked
from sivae_translate.inference.share import Share
from sivae_translate.inference.translator import Translator

NAMES = ("a.png", "b.png", "b.jpg", "b.jpg.png", "c/d.png", "e.png", "f.png", "g.png")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = images(tmp_path / "in", *NAMES)
    for name in ("x.txt", "y.txt", "z.jxl"):
        (folder / name).write_text("no image")
    return folder


def outputs(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("[!.]*.png")}


def numbers(summary: Summary) -> tuple[int, int, int]:
    return summary.written, summary.skipped, summary.left_out


def test_shares_together_do_what_one_call_does(translator: Translator, source: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    translate_folder(translator, source, whole, to="car001")
    parts = [translate_folder(translator, source, out, to="car001", share=f"{i}/3") for i in (1, 2, 3)]
    assert sum(part.written for part in parts) == len(NAMES) and sum(part.left_out for part in parts) == 3
    assert max(part.written for part in parts) < len(NAMES)
    assert outputs(out) == outputs(whole)
    assert [part.manifest.name for part in parts] == [f"manifest-{i}-of-3.jsonl" for i in (1, 2, 3)]

    assert numbers(translate_folder(translator, source, out, to="car001")) == (0, len(NAMES), 3)
    assert Counter(row["input"] for row in rows(out)) == Counter(row["input"] for row in rows(whole))
    assert {path.name for path in out.glob("manifest*")} == {MANIFEST}


def test_a_lost_share_is_redone_by_itself_or_by_the_whole(translator: Translator, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = translate_folder(translator, source, out, to="car001", share="1/2").written
    again = translate_folder(translator, source, out, to="car001", share="1/2")
    assert (again.written, again.skipped) == (0, done)
    (out / "a.png").unlink(missing_ok=True)
    whole = translate_folder(translator, source, out, to="car001")
    assert whole.written + whole.skipped == len(NAMES) and whole.written >= len(NAMES) - done


def test_another_division_knows_what_the_first_one_has_done(
    translator: Translator, source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for i in (1, 2):
        translate_folder(translator, source, out, to="car001", share=f"{i}/2")
    parts = [translate_folder(translator, source, out, to="car001", share=f"{i}/3") for i in (1, 2, 3)]
    assert sum(part.skipped for part in parts) == len(NAMES) and not any(part.written for part in parts)


def test_a_share_without_an_input_writes_nothing(translator: Translator, tmp_path: Path) -> None:
    source = images(tmp_path / "in", "a.png")
    written = [translate_folder(translator, source, tmp_path / "out", to="car001", share=f"{i}/4") for i in range(1, 5)]
    assert sorted(part.written for part in written) == [0, 0, 0, 1]


def test_shares_of_one_division_run_at_once_and_nothing_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sivae_translate.inference.manifest.PATIENCE", 0.1)
    with locked(tmp_path, Share(1, 2)):
        with locked(tmp_path, Share(2, 2)):
            pass
        for other in (Share(1, 2), Share(1, 3), None):
            with pytest.raises(UsageError, match="--out"), locked(tmp_path, other):
                pass
    with locked(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [LOCK]  # those of the shares have gone
        with pytest.raises(UsageError, match="--out"), locked(tmp_path, Share(1, 2)):
            pass


@pytest.mark.parametrize("text", ["", "2", "0/2", "3/2", "1/0", "1/2/3", "a/b", "-1/2", "1/2\n", "1 / 2"])
def test_another_text_is_no_share(translator: Translator, tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="--share 2/5"):
        translate_folder(translator, images(tmp_path / "in", "a.png"), tmp_path / "out", share=text)
    assert not (tmp_path / "out").exists()
