"""A copy of all that a run learns, in the main memory, to go back to where training diverges."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import torch
from torch.optim.swa_utils import AveragedModel

from sivae_translate.models import Autoencoder
from sivae_translate.training.optimizers import Optimizers
from sivae_translate.training.state import State


class Snapshot:
    """The weights, their moving average, both optimizers and the progress, as they are when this is constructed."""

    def __init__(self, model: Autoencoder, ema: AveragedModel, optimizers: Optimizers, state: State) -> None:
        self.state = replace(state)
        self.model, self.ema = to_main_memory(model.state_dict()), to_main_memory(ema.state_dict())
        self.adam = {part: to_main_memory(adam.state_dict()) for part, adam in optimizers.adam.items()}

    def restore(self, model: Autoencoder, ema: AveragedModel, optimizers: Optimizers) -> State:
        """Put everything back, and return the progress."""
        model.load_state_dict(self.model)
        ema.load_state_dict(self.ema)
        for part, adam in optimizers.adam.items():
            adam.load_state_dict(copy.deepcopy(self.adam[part]))  # which a second return needs unchanged
        return replace(self.state)


def to_main_memory(value: Any) -> Any:
    """A copy of nested dictionaries and lists, their tensors on the CPU in the memory format they have."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: to_main_memory(item) for key, item in value.items()}
    if isinstance(value, list):
        return [to_main_memory(item) for item in value]
    return value
