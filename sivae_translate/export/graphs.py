"""The parts of a model that are exported, each a module of tensors alone."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sivae_translate.models import Autoencoder
from sivae_translate.types import Code

EXAMPLES = 2  # rows; a tracer takes a batch of 1 for a constant


@dataclass(frozen=True)
class Graph:
    """A function of tensors that is exported.

    Attributes:
        module: the function; one argument for each input, one tensor or a tuple of them as result.
        inputs: examples by name, float32 `[2, ...]`. The first dimension is the batch, of any size.
        outputs: names, in order.
    """

    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]


class Encoding(nn.Module):
    """Images `[B, 3, H, W]` in [0, 1] -> mean content `[B, K, g, g]`, and mean style `[B, S]` where there is one."""

    def __init__(self, model: Autoencoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        mean = self.model.encode(image).mean
        return (mean.content,) if mean.style is None else (mean.content, mean.style)


class Decoding(nn.Module):
    """Contents `[B, K, g, g]`, and styles `[B, S]` where there are any -> images `[B, 3, H, W]`, clamped to [0, 1]."""

    def __init__(self, model: Autoencoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, content: Tensor, style: Tensor | None = None) -> tuple[Tensor, ...]:
        return (self.model.decode(Code(content, style)).clamp(0, 1),)


class Translation(nn.Module):
    """Images `[B, 3, H, W]` in [0, 1], styles `[B, S]` -> translations, of the same shape and range as the images."""

    def __init__(self, model: Autoencoder) -> None:
        super().__init__()
        self.encoding, self.decoding = Encoding(model), Decoding(model)

    def forward(self, image: Tensor, style: Tensor) -> tuple[Tensor, ...]:
        output: tuple[Tensor, ...] = self.decoding(self.encoding(image)[0], style)
        return output


def graphs_of(model: Autoencoder) -> dict[str, Graph]:
    """The encoder, the decoder and, for a model with styles, the translation, by name.

    The modules hold a copy of the model on the CPU. A model with a single latent has no translation.
    """
    model = copy.deepcopy(model).to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    image = torch.full((EXAMPLES, 3, model.size, model.size), 0.5)
    content, style = torch.zeros(EXAMPLES, *model.content_shape), torch.zeros(EXAMPLES, model.style_size)
    if not model.style_size:
        return {
            "encoder": Graph(Encoding(model), {"image": image}, ("content",)),
            "decoder": Graph(Decoding(model), {"content": content}, ("output",)),
        }
    return {
        "encoder": Graph(Encoding(model), {"image": image}, ("content", "style")),
        "decoder": Graph(Decoding(model), {"content": content, "style": style}, ("output",)),
        "translation": Graph(Translation(model), {"image": image, "style": style}, ("output",)),
    }
