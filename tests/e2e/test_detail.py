"""The recipe `detail` on two folders, end to end: outputs keep the layout of their inputs and show the other domain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from sivae_translate.evaluation.edges import edge_agreement

SETTINGS = (
    "data.size=32",
    "data.batch=16",
    "model.width=16",
    "model.encoder_width=16",
    "model.prior_width=16",
    "training.minutes=0",
)
BUDGET = (  # mean colours take some 200 updates at the recipe's rate; 6,400 images are 400
    *("training.images=6400", "training.warmup_images=400", "training.precision=fp32", "training.samples=4"),
    *("training.lr=0.003", "objective.prior_fraction=0.4", "objective.adversarial_from=0.7"),
)


def drawings(root: Path) -> Path:
    """Discs in three colours, 40 of each domain: `plain` on grey, and `blue` with all colours shifted to blue."""
    random = np.random.default_rng(0)
    for name, tint in (("plain", (0, 0, 0)), ("blue", (-60, -30, 60))):
        (root / name).mkdir(parents=True)
        for i in range(40):
            image = Image.new("RGB", (48, 32), tuple(128 + t for t in tint))
            for _ in range(3):
                x, y, r = random.integers(4, 40), random.integers(4, 28), random.integers(4, 9)
                colour = random.integers(70, 190, 3)
                ImageDraw.Draw(image).ellipse(
                    (x - r, y - r, x + r, y + r), tuple(int(c) + t for c, t in zip(colour, tint, strict=True))
                )
            image.save(root / name / f"{i:02}.png")
    return root


def load(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def test_detail_keeps_the_layout_and_changes_the_domain(cli: Any, tmp_path: Path) -> None:
    folder, run, out = drawings(tmp_path / "drawings"), tmp_path / "run", tmp_path / "out"
    overrides = [word for setting in (*SETTINGS, *BUDGET) for word in ("--set", setting)]
    trained = cli("train", "--domains", folder, "--recipe", "detail", "--out", run, "--device", "cpu", *overrides)
    assert trained.exit_code == 0, trained.output
    assert "start again" not in trained.output
    last = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
    assert {"energy_real", "energy_translation", "gap"} <= set(last)

    translated = cli("run", folder / "plain", "--model", run, "--to", "blue", "--out", out, "--device", "cpu")
    assert translated.exit_code == 0, translated.output
    inputs, outputs = (
        np.stack([load(path) for path in sorted(root.glob("*.png"))]) for root in (folder / "plain", out)
    )
    assert outputs.shape == inputs.shape == (40, 32, 48, 3)
    assert edge_agreement(outputs, inputs).mean() > 0.8
    blueness = [float((x[..., 2].astype(float) - x[..., 0]).mean()) for x in (inputs, outputs)]
    assert abs(blueness[0]) < 15 and blueness[1] > 90  # of the domain `blue`, 118
