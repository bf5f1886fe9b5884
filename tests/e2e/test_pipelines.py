"""`TranslateBatch` in a real local Ray."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sivae_translate.inference.batch import TranslateBatch
from sivae_translate.inference.translator import Translator


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_actors_of_ray_translate_files_and_report_the_unreadable_one(
    trained: Path, translator: Translator, cars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    images = tmp_path / "images"
    images.mkdir()
    for i, view in enumerate(sorted((cars / "unseen/car003").iterdir())[:10]):
        (images / f"{i}.png").write_bytes(view.read_bytes())
    (images / "bad.png").write_text("no image")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(num_cpus=4, include_dashboard=False)
    try:
        translated = ray.data.read_binary_files(str(images), include_paths=True).map_batches(
            TranslateBatch,
            fn_constructor_kwargs={"model": str(trained), "to": "car001", "column": "bytes", "device": "cpu"},
            batch_size=4,
            compute=ray.data.ActorPoolStrategy(size=1),
        )
        rows = {Path(row["path"]).name: row for row in translated.take_all()}
        arrays = ray.data.from_numpy(np.zeros((5, 20, 20, 3), np.uint8)).map_batches(
            TranslateBatch,
            fn_constructor_kwargs={"model": str(trained), "to": "car001", "column": "data", "device": "cpu"},
            compute=ray.data.ActorPoolStrategy(size=1),
        )
        shapes = [row["data"].shape for row in arrays.take_all()]
    finally:
        ray.shutdown()
    assert len(rows) == 11 and shapes == [(16, 16, 3)] * 5
    bad = rows.pop("bad.png")
    assert bad["bytes"] is None and "not an image" in bad["error"]
    for name, row in rows.items():
        found = np.asarray(Image.open(io.BytesIO(row["bytes"]))).astype(int)
        assert row["error"] is None
        assert np.abs(found - np.asarray(translator(images / name, to="car001"))).max() <= 1
