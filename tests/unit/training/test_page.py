"""The page of a run: curves of what is logged, sample grids within bounds, and escaped text."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sivae_translate.recipe import Recipe, load_recipe
from sivae_translate.training.constructors import complete
from sivae_translate.training.facts import Facts
from sivae_translate.training.page import run_page, spread

KINDS = ("translations", "reconstructions", "samples")


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return complete(load_recipe("tiny"))


def write_log(run: Path, *rows: dict[str, float], more: str = "") -> None:
    lines = [json.dumps({"images": 100 * (n + 1), "lr": 0.1, **row}) + "\n" for n, row in enumerate(rows)]
    (run / "log.jsonl").write_text("".join(lines) + more)


def write_grids(run: Path, images: int, side: int = 4) -> None:
    (run / "samples").mkdir(exist_ok=True)
    noise = np.random.default_rng(images).integers(0, 256, (side, side, 3), dtype=np.uint8)
    for kind in KINDS:
        Image.fromarray(noise).save(run / "samples" / f"{images:09d}-{kind}.png", compress_level=0)


def test_a_run_without_a_line_of_the_log_has_a_page(tmp_path: Path, recipe: Recipe) -> None:
    html = run_page(tmp_path, recipe, Facts())
    assert "no line yet" in html and "<svg" not in html and "<img" not in html


def test_there_is_a_chart_of_what_is_logged(tmp_path: Path, recipe: Recipe) -> None:
    write_log(tmp_path, {"rec": 9.0, "kl_real": 1.0}, {"rec": 3.0, "kl_real": 1.0}, {"rec": 1e9})
    html = run_page(tmp_path, recipe, Facts(images=200))
    assert "Reconstruction error" in html and "training images 3<" in html  # and not the row of 300 images
    assert "KL to the prior" in html and "Gap" not in html


def test_figures_on_held_out_images_have_charts_of_their_own(tmp_path: Path, recipe: Recipe) -> None:
    write_log(tmp_path, {"rec": 9.0}, {"rec": 3.0})
    (tmp_path / "heldout.jsonl").write_text('{"images": 100, "psnr": 20.5, "best": true}\n{"images": 900, "psnr": 1}\n')
    html = run_page(tmp_path, recipe, Facts(images=200))
    assert "PSNR of held-out images" in html and "held-out images 20.5<" in html and "training images 3<" in html
    assert "model-best/ is the model after 100 images" in html and "KID, held out" not in html


def test_damaged_lines_are_counted_and_passed_over(tmp_path: Path, recipe: Recipe) -> None:
    write_log(tmp_path, {"rec": 9.0}, more='{"images": \n\x00\n[1]\n{"images": 200, "rec": NaN}\n{"images": 300, "re')
    html = run_page(tmp_path, recipe, Facts(images=300))
    assert "3 damaged lines" in html and "training images 9<" in html


def test_grids_are_within_bounds_in_number_and_size(tmp_path: Path, recipe: Recipe) -> None:
    for images in range(100, 1700, 100):
        write_grids(tmp_path, images, side=300)
    html = run_page(tmp_path, recipe, Facts(images=1500))
    assert html.count("<section") == 12 and html.count('src="data:image/jpeg') == 36
    assert ">100 images seen<" in html and ">1,500 images seen<" in html and "1,600 images seen" not in html
    assert len(html) < 8e6


def test_a_grid_that_cannot_be_read_and_other_files_are_left_out(tmp_path: Path, recipe: Recipe) -> None:
    write_grids(tmp_path, 100)
    (tmp_path / "samples/000000100-samples.png").unlink()
    (tmp_path / "samples/000000100-samples.png").symlink_to("nowhere")
    (tmp_path / "samples/my-samples.png").write_text("no picture")
    assert run_page(tmp_path, recipe, Facts(images=100)).count("<img") == 2


def test_every_text_is_escaped(tmp_path: Path, recipe: Recipe) -> None:
    run = tmp_path / "<run>"
    run.mkdir()
    html = run_page(run, recipe, Facts(status="failed", reason="<reason>", recipe="<recipe>", machine=["<machine>"]))
    for text in ("run", "reason", "recipe", "machine"):
        assert f"<{text}>" not in html and f"&lt;{text}&gt;" in html


@pytest.mark.parametrize(("count", "kept"), [(0, []), (3, [0, 1, 2]), (9, [0, 2, 4, 6, 8]), (6, [0, 1, 2, 4, 5])])
def test_items_are_spread_with_both_ends(count: int, kept: list[int]) -> None:
    assert spread(range(count), 5) == kept
