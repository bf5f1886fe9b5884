"""`ood.json` beside a model's weights: the bound on log p(x) below which inputs are out of distribution."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sivae_translate import checkpoint
from sivae_translate.errors import SivaeError, UsageError, command
from sivae_translate.models.pretrained import model_directory
from sivae_translate.schema import build

FILE = "ood.json"
SLACK = 1e-5  # relative tolerance: float32 differs by less between batches, and calibration images must pass again


@dataclass(frozen=True)
class Threshold:
    """The least bound on log p(x) of accepted inputs, with the settings of its calibration.

    Attributes:
        bound: least bound, in nats.
        share: fraction of the calibration images that reach the bound, in (0, 1].
        images: number of calibration images.
        samples, seed, beta: settings of `Translator.score`, for calibration images and inputs alike.
        weights: SHA-256 of the file of weights that scored the images.
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

    def rejection(self, bound: float) -> str | None:
        """The reason to reject an image with this bound, in nats; None for an accepted image."""
        return None if bound >= self.bound else f"scores {bound:.2f} nats, below the threshold of {self.bound:.2f}"


def threshold_of(weights: str, bounds: list[float], share: float, **how: Any) -> Threshold:
    """The highest bound that at least a fraction `share` of `bounds` reaches, lowered by the tolerance `SLACK`.

    Args:
        weights: `weights_of` the model, taken before it was loaded, as training may replace it meanwhile.
        bounds: of the calibration images, in nats.
        how: `samples`, `seed` and `beta` of their scores.
    """
    kept = math.ceil(share * len(bounds) - 1e-9)  # as floats, 0.07 * 100 exceeds 7
    bound = sorted(bounds)[-kept] - SLACK * max(map(abs, bounds))
    return Threshold(bound, share, len(bounds), weights=weights, **how)


def directory_of(model: str | Path) -> Path:
    """The directory of a run's or a model's files, also while a writer is replacing it."""
    return checkpoint.in_place(model_directory(model))


def weights_of(model: str | Path) -> str:
    """SHA-256 of the weights in a run or a model's directory.

    Raises:
        UsageError: no such directory.
        SivaeError: the weights cannot be read.
    """
    file = checkpoint.Files(directory_of(model)).directory / "model.safetensors"
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise SivaeError(f"{file}: {error.strerror or error}") from error


def save_threshold(model: str | Path, threshold: Threshold) -> Path:
    """Write a threshold beside the weights of a run or model directory, atomically, and return the file."""
    file = directory_of(model) / FILE
    checkpoint.write_text_atomic(file, json.dumps(asdict(threshold), indent=2) + "\n")
    return file


def load_threshold(model: str | Path) -> Threshold:
    """The threshold stored beside the weights of a run or model directory.

    Raises:
        UsageError: no threshold, another file, or a threshold of other weights.
    """
    file = directory_of(model) / FILE
    fix = f"set one with: {command('ood', model, '--in', 'FOLDER', '--set-threshold', 0.95)}"
    if not file.exists():
        raise UsageError(f"{model} has no threshold to reject by: {fix}")
    threshold = build(str(file), Threshold, checkpoint.read_json(file))
    if threshold.weights != weights_of(model):
        raise UsageError(f"{file} was set on other weights: {fix}")
    return threshold
