"""`state/`: the state of a run, from which training resumes bit for bit."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from sivae_translate import checkpoint
from sivae_translate.errors import UsageError
from sivae_translate.models import Autoencoder
from sivae_translate.recipe import load_recipe
from sivae_translate.training.optimizers import Optimizers
from sivae_translate.training.state import Budget, State

FORMAT = 2  # of trainer.json and the tensors beside it


def save_state(folder: Path, model: Autoencoder, ema: AveragedModel, optimizers: Optimizers, state: State) -> None:
    """Write the weights, their moving average, both optimizers and the progress, atomically.

    There is no random state to save, as the seed of a step is (seed, process, images seen).
    """
    tensors = {"model": model.state_dict(), "ema": ema.module.state_dict()}
    groups = {}
    for part, adam in optimizers.adam.items():
        tensors[part], groups[part] = checkpoint.flatten_optimizer(adam.state_dict())
    trainer = {
        "format": FORMAT,
        "state": asdict(state),
        "averaged": int(ema.n_averaged),
        "optimizers": groups,
        "domains": list(model.domains),
    }
    checkpoint.save(folder, tensors, {"trainer": trainer})


def load_state(folder: Path, model: Autoencoder, ema: AveragedModel, optimizers: Optimizers) -> State:
    """Load a state into the parts of a run, and return the progress.

    Raises:
        UsageError: a state of other domains or of another format.
        SivaeError: files that are damaged or of another model.
    """
    trainer = checkpoint.load(folder, [], ["trainer"])[1]["trainer"]
    if trainer.get("format") != FORMAT:
        raise UsageError(
            f"{folder} has format {trainer.get('format', 1)}, expected {FORMAT}: it cannot be resumed by this version; "
            "train anew in another --out"
        )
    if trainer["domains"] != list(model.domains):
        raise UsageError(
            f"{folder.parent} was trained on {len(trainer['domains'])} domains, now there are {len(model.domains)} or "
            "their names differ: expected the same folder; choose another --out"
        )
    tensors, _ = checkpoint.load(folder, ["model", "ema", "encoder", "decoder"], [])
    checkpoint.load_into(model, tensors["model"], f"{folder} (model)")
    checkpoint.load_into(ema.module, tensors["ema"], f"{folder} (moving average)")
    ema.n_averaged.fill_(trainer["averaged"])
    for part, adam in optimizers.adam.items():
        adam.load_state_dict(checkpoint.unflatten_optimizer(tensors[part], trainer["optimizers"][part]))
        _in_layout_of_weights(adam)
    return State(**trainer["state"])


def finished(run: Path) -> bool:
    """Whether a run has spent the budget of its recipe; False for a run without a saved state."""
    try:
        state = State(**json.loads((run / "state" / "trainer.json").read_text())["state"])
        training = load_recipe(run / "recipe.toml").training
    except (OSError, ValueError, TypeError, KeyError, UsageError):
        return False
    return Budget(training.images, training.minutes).progress(state) >= 1


def _in_layout_of_weights(optimizer: Optimizer) -> None:
    """Give loaded moments, which are contiguous, the memory format of their weights, as fused Adam requires."""
    for parameter, values in optimizer.state.items():
        moments = {key: value for key, value in values.items() if value.shape == parameter.shape}
        values.update({key: torch.empty_like(parameter).copy_(value) for key, value in moments.items()})
