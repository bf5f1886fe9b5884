"""`train --log`: the tracker gets the lines of the log and the sample grids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def test_tensorboard_has_the_log_of_a_run(cli: Any, cars: Path, tiny: tuple[str, ...], tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    settings = [word for setting in tiny for word in ("--set", setting)]
    settings += ["--set", "training.log_every=8", "--set", "training.images=16", "--set", "training.samples=1"]
    result = cli(
        *("train", "--domains", cars / "train", "--recipe", "tiny", "--out", tmp_path / "run", *settings),
        *("--log", "tensorboard", "--device", "cpu"),
    )
    assert result.exit_code == 0, result.output
    events = reader.EventAccumulator(str(tmp_path / "run/tensorboard"))
    events.Reload()
    rows = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert [row["images"] for row in rows] == [8, 16]
    for name in rows[-1]:
        assert [event.step for event in events.Scalars(name)] == [row["images"] for row in rows if name in row]
    assert [event.value for event in events.Scalars("rec")] == pytest.approx([row["rec"] for row in rows])
    assert set(events.Tags()["images"]) >= {"reconstructions", "translations", "samples"}
    assert not list((tmp_path / "run/state").glob("*tensorboard*"))
