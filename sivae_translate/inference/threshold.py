"""`ood.json` beside a model's weights: the score below which an input is too unlike the training images."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sivae_translate import checkpoint
from sivae_translate.errors import UsageError
from sivae_translate.models.pretrained import model_directory
from sivae_translate.recipe import build

FILE = "ood.json"
SLACK = 1e-5  # of the largest bound: float32 repeats to it in other batches, and what set a threshold must pass again


@dataclass(frozen=True)
class Threshold:
    """The least bound on log p(x) that an input needs, and how it came about.

    Attributes:
        bound: in nats.
        share: of the images it was set on that reach it, in (0, 1].
        images: how many those were.
        samples, seed, beta: how they were scored, and others must be; see `Translator.score`.
        weights: SHA-256 of the file of weights that scored them.
    """

    bound: float
    share: float
    images: int
    samples: int
    seed: int
    beta: float
    weights: str

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError("share: must be above 0 and at most 1")
        if self.images < 1 or self.samples < 1:
            raise ValueError("samples: must be at least 1, and so must images")
        if not self.beta > 0:
            raise ValueError("beta: must be > 0")

    def refusal(self, bound: float) -> str | None:
        """Why an image of this bound is refused; None where it is not."""
        return None if bound >= self.bound else f"scores {bound:.2f} nats, below the threshold of {self.bound:.2f}"


def threshold_of(model: Path, bounds: list[float], share: float, **how: Any) -> Threshold:
    """The highest bound that at least this share of `bounds` reaches, less `SLACK`; `how` they were scored."""
    kept = math.ceil(share * len(bounds) - 1e-9)  # in floats 0.07 * 100 is more than 7
    bound = sorted(bounds)[-kept] - SLACK * max(map(abs, bounds))
    return Threshold(bound, share, len(bounds), weights=weights_of(model), **how)


def weights_of(model: Path) -> str:
    """SHA-256 of the weights in a run or a model's directory."""
    return hashlib.sha256((model_directory(model) / "model.safetensors").read_bytes()).hexdigest()


def save_threshold(model: Path, threshold: Threshold) -> Path:
    """Store a threshold with a run's or a directory's model, atomically; the file."""
    file = model_directory(model) / FILE
    checkpoint.write_text_atomic(file, json.dumps(asdict(threshold), indent=2) + "\n")
    return file


def load_threshold(model: Path) -> Threshold:
    """The threshold stored with a run's or a directory's model.

    Raises:
        UsageError: there is none, it holds something else, or it was set on other weights.
    """
    file = model_directory(model) / FILE
    fix = f"set one with: sivae-translate ood {model} --in FOLDER --set-threshold 0.95"
    if not file.exists():
        raise UsageError(f"{model} has no threshold to reject by: {fix}")
    threshold = build(str(file), Threshold, checkpoint.read_json(file))
    if threshold.weights != weights_of(model):
        raise UsageError(f"{file} was set on other weights: {fix}")
    return threshold
