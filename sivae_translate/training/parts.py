"""The parts of a run, which are its weights, their moving average and both optimizers, as named tensors and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from sivae_translate import checkpoint
from sivae_translate.errors import SivaeError
from sivae_translate.models import Autoencoder
from sivae_translate.training.optimizers import PARTS, Optimizers

TENSORS = ("model", "ema", *PARTS)

Tensors = Mapping[str, Mapping[str, Tensor]]


def to_tensors(model: Autoencoder, ema: AveragedModel, optimizers: Optimizers) -> tuple[Tensors, dict[str, Any]]:
    """The tensors of each of `TENSORS`, and as JSON the updates of the moving average and the optimizers' settings."""
    tensors = {"model": model.state_dict(), "ema": ema.module.state_dict()}
    groups = {}
    for part, adam in optimizers.adam.items():
        tensors[part], groups[part] = checkpoint.flatten_optimizer(adam.state_dict())
    return tensors, {"averaged": int(ema.n_averaged), "optimizers": groups}


def load_tensors(
    tensors: Tensors,
    values: Mapping[str, Any],
    model: Autoencoder,
    ema: AveragedModel,
    optimizers: Optimizers,
    what: str,
) -> None:
    """The inverse of `to_tensors`.

    Raises:
        SivaeError: tensors of another model, or damaged ones; the message begins with `what`.
    """
    checkpoint.load_into(model, tensors["model"], f"{what} (model)")
    checkpoint.load_into(ema.module, tensors["ema"], f"{what} (moving average)")
    ema.n_averaged.fill_(values["averaged"])
    for part, adam in optimizers.adam.items():
        try:
            load_optimizer(adam, checkpoint.unflatten_optimizer(tensors[part], values["optimizers"][part]))
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError, SivaeError) as error:
            raise SivaeError(f"{what} ({part}): not the state of its optimizer: {error}") from error


def load_optimizer(adam: Optimizer, state: dict[str, Any]) -> None:
    """Load the moments and the learning rate; the other settings of the groups are those of the recipe.

    Raises:
        ValueError, KeyError, TypeError: not a state of this optimizer.
    """
    own = [{key: value for key, value in group.items() if key not in ("params", "lr")} for group in adam.param_groups]
    adam.load_state_dict(state)
    for group, settings in zip(adam.param_groups, own, strict=True):
        group.update(settings, lr=float(group["lr"]))
    for parameter, values in adam.state.items():
        if values["step"].shape or any(values[key].shape != parameter.shape for key in ("exp_avg", "exp_avg_sq")):
            raise ValueError("moments of other shapes than their weights")
    _in_layout_of_weights(adam)


def _in_layout_of_weights(optimizer: Optimizer) -> None:
    """Give loaded moments, which are contiguous, the memory format of their weights, as fused Adam requires."""
    for parameter, values in optimizer.state.items():
        moments = {key: value for key, value in values.items() if value.shape == parameter.shape}
        values.update({key: torch.empty_like(parameter).copy_(value) for key, value in moments.items()})
