"""Running means of the logged terms, and the two log files."""

from __future__ import annotations

import csv
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from sivae_translate.training.log import LogFiles, Means, read_rows


def test_means_are_over_the_steps_in_which_a_term_appeared() -> None:
    means = Means()
    means.add({"rec": torch.tensor(2.0)})
    means.add({"rec": torch.tensor(4.0), "gap": torch.tensor(1.0)})
    assert means.take() == {"rec": 3.0, "gap": 1.0}
    assert means.take() == {}


def test_the_log_is_lines_of_json_and_a_table_and_a_resumed_run_appends(tmp_path: Path) -> None:
    log = LogFiles(tmp_path)
    log.write({"images": 10, "seconds": 1.0, "lr": 1e-3, "images_per_s": 10.0, "rec": 5.0, "kl_real": 1.0})
    LogFiles(tmp_path).write({"images": 20, "seconds": 2.0, "lr": 1e-3, "images_per_s": 10.0, "gap": -0.5})
    assert [json.loads(line)["images"] for line in log.jsonl.read_text().splitlines()] == [10, 20]
    with log.csv.open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["images"], row["rec"], row["gap"]) for row in rows] == [("10", "5", ""), ("20", "", "-0.5")]


ROW = {"seconds": 1.0, "lr": 1e-3, "images_per_s": 10.0, "rec": 5.0}


def images_of(log: LogFiles) -> tuple[list[int], list[int]]:
    """The images of all rows of both files, every one of which must be whole."""
    with log.csv.open() as file:
        rows = list(csv.DictReader(file, strict=True))
    assert all(None not in row and None not in row.values() for row in rows)
    return [json.loads(line)["images"] for line in log.jsonl.read_text().splitlines()], [int(r["images"]) for r in rows]


def test_a_resume_keeps_whole_rows_up_to_its_state(tmp_path: Path) -> None:
    log = LogFiles(tmp_path)
    for images in (10, 20, 30):
        log.write({"images": images, **ROW})
    for path in (log.jsonl, log.csv):  # killed while it wrote the fourth row
        whole = path.read_text()
        path.write_text(whole + whole.splitlines()[-1][:17])
    resumed = LogFiles(tmp_path)
    resumed.keep(20)
    assert images_of(resumed) == ([10, 20], [10, 20])
    resumed.write({"images": 30, **ROW})
    assert images_of(resumed) == ([10, 20, 30], [10, 20, 30])


def test_a_run_that_begins_anew_empties_the_log_of_one_that_saved_nothing(tmp_path: Path) -> None:
    log = LogFiles(tmp_path)
    log.write({"images": 10, **ROW})
    log.csv.write_text(log.csv.read_text().splitlines()[0][:20])  # killed while it wrote the head
    log.keep(0)
    log.write({"images": 10, **ROW})
    assert images_of(log) == ([10], [10])


def test_a_device_is_not_read(tmp_path: Path) -> None:
    log = LogFiles(tmp_path)
    log.jsonl.symlink_to("/dev/zero")  # which never ends
    log.keep(0)


def test_a_row_that_does_not_fit_leaves_no_half_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = LogFiles(tmp_path)
    log.write({"images": 10, **ROW})
    real = Path.open

    class Full:
        """A file that takes 5 characters."""

        def __init__(self, file: Any) -> None:
            self.file = file

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: Any) -> None:
            self.file.close()

        def write(self, text: str) -> None:
            self.file.write(text[:5])
            self.file.flush()
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda path, *a, **k: Full(real(path, *a, **k)))
        with pytest.raises(OSError, match="space"):
            log.write({"images": 20, **ROW})
    log.write({"images": 30, **ROW})
    assert images_of(log) == ([10, 30], [10, 30])


# --- rows for a page ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 50, 400])
def test_a_short_log_is_read_whole(tmp_path: Path, count: int) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(f'{{"images": {10 ** (n % 7)}, "n": {n}}}\n' for n in range(count)))
    rows, damaged = read_rows(path, 1000)
    assert [row["n"] for row in rows] == list(range(count)) and not damaged


def test_a_long_log_is_thinned_evenly_and_its_last_row_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(f'{{"images": {n}}}\n' for n in range(1, 100_001)))
    images = [row["images"] for row in read_rows(path, 100)[0]]
    steps = [after - before for before, after in pairwise(images)]
    assert len(images) <= 101 and images[0] == 1 and images[-1] == 100_000
    assert max(steps) < 1300 and min(steps[:-1]) > 900


def test_what_is_no_log_has_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    assert read_rows(path, 10) == ([], 0)
    path.symlink_to("/dev/zero")
    assert read_rows(path, 10) == ([], 0)
    path.unlink()
    path.write_bytes(b"")
    assert read_rows(path, 10) == ([], 0)
    path.write_bytes(b"\x00" * 3_000_000)
    assert read_rows(path, 10)[0] == []


@pytest.mark.parametrize("line", ["", "{", "[]", "3", '{"rec": 1}', '{"images": "x"}', "[" * 5000, "\udcff"])
def test_damaged_lines_are_counted(tmp_path: Path, line: str) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(f'{{"images": 1}}\n{line}\n{{"images": 2, "name": "a", "rec": NaN}}\n', errors="surrogateescape")
    rows, damaged = read_rows(path, 1000)
    assert [row["images"] for row in rows] == [1, 2] and damaged == 1 and set(rows[1]) == {"images", "rec"}
