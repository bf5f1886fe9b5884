"""Running means of the logged terms, and the two log files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import torch

from sivae_translate.training.log import LogFiles, Means


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
