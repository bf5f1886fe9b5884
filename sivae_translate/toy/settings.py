"""Settings of a run in the plane: objective and distribution, weights, optimizer and length."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from sivae_translate.errors import UsageError, did_you_mean
from sivae_translate.objectives import OBJECTIVES
from sivae_translate.schema import build
from sivae_translate.toy.datasets import DATASETS, Dataset
from sivae_translate.types import Objective

# All four distributions have the same weights. JSD of Soft-IntroVAE after 3,000 steps, one seed, in brackets with the
# paper's weights per distribution: 8-gaussians 0.07 (0.11), spirals 0.23 (0.28), checkerboard 0.32 (0.33), rings 0.30
# (0.32). Weights of the other objectives are the best of a few tried. KL weights are per nat, which is half of the
# paper's, as the paper multiplies by s = 1/2.
ADVERSARIAL = {"beta_rec": 0.2, "beta_kl": 0.025, "fake_fraction": 0.5, "vae_fraction": 1 / 15}
WEIGHTS: dict[str, dict[str, float]] = {
    "vae": {"beta_rec": 0.2, "beta_kl": 0.005},
    "introvae": {**ADVERSARIAL, "beta_neg": 0.025, "margin": 8.0},
    "soft-introvae": {**ADVERSARIAL, "beta_neg": 0.25},
    "bootstrap": {**ADVERSARIAL, "beta_neg": 0.25, "gamma_r": 0.01},  # at 1 its decoder leaves the plane
}


@dataclass(frozen=True)
class Training:
    """[training] of a run in the plane.

    The paper's 30,000 steps of 512 points, with lr 2e-4 and Adam's default betas, take over 20 minutes on one core.
    Lower betas allow fewer and smaller steps. On 8-gaussians, with the paper's weights and lr 1e-3, 4,000 steps of 64
    points reach a JSD of 0.06 with betas (.5, .9). 4,000 steps of 128 points with betas (.9, .99) reach 0.15.

    Attributes:
        steps: number of steps, >= 1.
        batch: points per step, even and >= 2.
        lr: initial learning rate of Adam, > 0, with a cosine decay to 0.
        betas: decay of Adam's two moments, each in [0, 1).
        ema: decay per step of the moving average of the weights, which is the model, in [0, 1).
        seed: of all random numbers.
    """

    steps: int = 6000
    batch: int = 64
    lr: float = 2e-3
    betas: tuple[float, float] = (0.5, 0.9)
    ema: float = 0.99
    seed: int = 0

    def __post_init__(self) -> None:
        ranges = {
            "steps: must be >= 1": self.steps >= 1,
            "batch: must be even and >= 2": self.batch >= 2 and self.batch % 2 == 0,
            "lr: must be > 0": self.lr > 0,
            "betas: must be in [0, 1)": all(0 <= beta < 1 for beta in self.betas),
            "ema: must be in [0, 1)": 0 <= self.ema < 1,
            "seed: must be >= 0": self.seed >= 0,
        }
        for message, holds in ranges.items():
            if not holds:
                raise ValueError(message)


@dataclass(frozen=True)
class Settings:
    """The validated settings of a run.

    Attributes:
        names: names of objective and dataset.
        objective, dataset: objective and dataset of these names.
        weights: keyword arguments of the objective.
    """

    names: tuple[str, str]
    objective: Objective
    weights: dict[str, float] = field(hash=False)  # a dict has no hash
    dataset: Dataset
    training: Training

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON values, equal for equal runs."""
        objective, dataset = self.names
        training = {**asdict(self.training), "betas": list(self.training.betas)}
        return {"dataset": dataset, "objective": {"name": objective, **self.weights}, "training": training}


def resolve(
    objective: str = "soft-introvae",
    dataset: str = "8-gaussians",
    overrides: Sequence[str] = (),
    **training: int,
) -> Settings:
    """The settings of a run: defaults, changed by `training` (steps, seed), then by overrides "section.key=value".

    Raises:
        UsageError: unknown objective, dataset, section or key, value of another type or out of its range.
    """
    tables = parse(overrides)
    objective = tables["objective"].pop("name", objective)
    weights = {**WEIGHTS.get(known("objective", objective, OBJECTIVES), {}), **tables["objective"]}
    return Settings(
        (objective, dataset),
        build("objective", OBJECTIVES[objective], weights),
        weights,
        DATASETS[known("dataset", dataset, DATASETS)],
        build("training", Training, {**training, **tables["training"]}),
    )


def known(what: str, name: object, table: Mapping[str, Any]) -> str:
    if not isinstance(name, str) or name not in table:
        raise UsageError(f"no {what} {name!r}: {did_you_mean(str(name), list(table))}")
    return name


def parse(overrides: Sequence[str]) -> dict[str, dict[str, Any]]:
    """ "section.key=value" -> the sections "objective" and "training"; a value is TOML or else a bare string."""
    tables: dict[str, dict[str, Any]] = {"objective": {}, "training": {}}
    for text in overrides:
        name, equals, value = text.partition("=")
        section, dot, key = name.strip().partition(".")
        if not (equals and dot and key.isidentifier()):
            raise UsageError(f"{text!r}: expected section.key=value, such as training.lr=0.001")
        if section not in tables:
            raise UsageError(f"unknown section {section!r}: {did_you_mean(section, list(tables))}")
        tables[section][key] = value.strip()
        with suppress(ValueError, RecursionError):
            tables[section][key] = tomllib.loads(f"value = {value}")["value"]
    return tables
