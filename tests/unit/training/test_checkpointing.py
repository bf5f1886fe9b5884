"""Which runs count as finished."""

from __future__ import annotations

import shutil
from pathlib import Path

from sivae_translate.training.checkpointing import finished


def test_a_run_is_finished_once_its_budget_is_spent(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    assert finished(run)
    recipe = run / "recipe.toml"
    assert "images = 400" in recipe.read_text()
    recipe.write_text(recipe.read_text().replace("images = 400", "images = 4000"))
    assert not finished(run)


def test_a_run_that_has_saved_nothing_is_not_finished(trained: Path, tmp_path: Path) -> None:
    assert not finished(tmp_path)
    shutil.copy(trained / "recipe.toml", tmp_path)
    assert not finished(tmp_path)
