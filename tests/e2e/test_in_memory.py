"""Training on images that a program holds: as on their files, and resumed by the same call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from folders import images
from PIL import Image

from sivae_translate import Translator, UsageError, train

SETTINGS = ("data.size=16", "data.batch=4", "training.log_every=4", "training.precision=fp32", "model.patch=2")


def losses(run: Path) -> list[float]:
    return [json.loads(line)["rec"] for line in (run / "log.jsonl").read_text().splitlines()]


def test_examples_train_the_model_of_their_files_and_resume(tmp_path: Path) -> None:
    folder = images(tmp_path / "set", *(f"{domain}/{i}.png" for domain in ("red", "test") for i in range(4)))
    files = sorted(folder.rglob("*.png"))

    def examples() -> Iterator[dict[str, Any]]:
        yield from ({"image": Image.open(path), "domain": path.parent.name} for path in files)

    def trained(domains: Any, name: str, count: int) -> Path:
        settings = (*SETTINGS, f"training.images={count}")
        return train(domains, "tiny", tmp_path / name, set=settings, device="cpu", quiet=True)

    trained(folder, "of-files", 16)
    trained(examples(), "of-examples", 16)
    assert losses(tmp_path / "of-examples") == losses(tmp_path / "of-files")
    model = trained(list(examples()), "of-examples", 24)
    assert len(losses(tmp_path / "of-examples")) == 6
    assert Translator.from_pretrained(model, device="cpu").domains == ("red", "test")


def test_a_wrong_example_is_named_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"domains\[1\]"):
        train([(Image.new("RGB", (4, 4)), "a"), ("b", 4.5)], "tiny", tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()
