"""What the first process sends to the others, which may be on machines that do not have the files of the run."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from sivae_translate.models import Autoencoder
from sivae_translate.recipe import Recipe
from sivae_translate.training.optimizers import Optimizers
from sivae_translate.training.parts import load_tensors, to_tensors
from sivae_translate.training.state import State


def broadcast_recipe(recipe: Recipe, accelerator: Accelerator) -> Recipe:
    """The complete recipe of the first process, to which a resumed run has given its automatic settings."""
    sections = broadcast_json(recipe.sections(), accelerator)
    values = {f"{section}.{key}": value for section, table in sections.items() for key, value in table.items()}
    return recipe if accelerator.is_main_process else recipe.override(values)


def broadcast_run(
    model: Autoencoder, ema: AveragedModel, optimizers: Optimizers, state: State, accelerator: Accelerator
) -> State:
    """Give every process the weights, their average, both optimizers and the progress of the first one."""
    if accelerator.num_processes == 1:
        return state
    tensors, values = to_tensors(model, ema, optimizers)
    forms = {
        part: {name: [list(value.shape), str(value.dtype).removeprefix("torch.")] for name, value in table.items()}
        for part, table in tensors.items()
    }
    values, forms, progress = broadcast_json([values, forms, asdict(state)], accelerator)

    def received(part: str, name: str, shape: list[int], dtype: str) -> Tensor:
        value = torch.empty(shape, dtype=getattr(torch, dtype), device=accelerator.device)
        if accelerator.is_main_process:
            value.copy_(tensors[part][name])
        return broadcast(value)  # type: ignore[no-any-return]

    sent = {part: {name: received(part, name, *form) for name, form in table.items()} for part, table in forms.items()}
    if accelerator.is_main_process:
        return state
    load_tensors(sent, values, model, ema, optimizers, "the first process's state")
    return State(**progress)


def broadcast_json(value: Any, accelerator: Accelerator) -> Any:
    """The first process's value, of what JSON can hold."""
    if accelerator.num_processes == 1:
        return value
    text = json.dumps(value).encode()
    size = broadcast(torch.tensor([len(text)], device=accelerator.device))
    data = torch.zeros(int(size), dtype=torch.uint8, device=accelerator.device)
    if accelerator.is_main_process:
        data.copy_(torch.frombuffer(bytearray(text), dtype=torch.uint8))
    return json.loads(bytes(broadcast(data).tolist()))
