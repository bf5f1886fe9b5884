"""The tensor side of a translator: images, codes, contents and styles, at most 32 at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import torch
from PIL import Image
from torch import Tensor

from sivae_translate.data.images import Frame
from sivae_translate.device import pick_device
from sivae_translate.errors import SivaeError, UsageError, did_you_mean
from sivae_translate.host import methods_in_own_torch_state
from sivae_translate.inference.arguments import batch_of, code_of, contents_of, finite, styles_of
from sivae_translate.inference.passes import BATCH, Passes
from sivae_translate.inference.prepare import Picture, Pictures, batches, prepare_named
from sivae_translate.inference.style_correction import corrected_style, rounds_for
from sivae_translate.models import Autoencoder
from sivae_translate.pictures import to_pictures
from sivae_translate.types import Code, Gaussian


@methods_in_own_torch_state
class Codec:
    """A trained model in its frame, on its device: images to codes, and codes to images."""

    def __init__(self, model: Autoencoder, settings: dict[str, Any], frame: Frame) -> None:
        self.model = model.eval().requires_grad_(False)
        self.settings, self.frame, self.domains = settings, frame, model.domains
        self.device, self.passes = torch.device("cpu"), Passes()

    def to(self, device: str | torch.device) -> Self:
        """Move the model to a device, in place. Raises UsageError where the device is not available."""
        self.device = torch.device(pick_device(device))
        self.model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self

    def prepare(self, images: Pictures) -> Tensor:
        """One image or several -> float32 `[B, 3, H, W]` in [0, 1] in the model's frame, on its device."""
        return self._on_device(torch.cat(list(batches(images, self.frame, BATCH))))

    @torch.no_grad()
    def encode(self, images: Pictures) -> Code:
        """Mean content `[B, K, g, g]` and style `[B, S]`, None for a single latent, of one image or several."""
        encoded = (self.passes(self._mean, x) for x in self._batches(images))
        return Code.cat([code for codes in encoded for code in codes])

    @torch.no_grad()
    def decode(self, code: Code) -> Tensor:
        """Code -> images `[B, 3, H, W]`, clamped to [0, 1].

        Raises:
            SivaeError: the images hold NaN or infinity.
        """
        code = code_of(code, self.model).map(lambda t: t.to(self.device))
        x = torch.cat(self.passes(lambda rows: self.model.decode(rows).float(), code))
        if not x.isfinite().all():
            raise SivaeError(
                "the decoded images hold NaN or infinity: the weights are damaged, or the code is far too large"
            )
        return x.clamp(0, 1)

    @torch.no_grad()
    def translate(self, x: Tensor, style: Tensor, *, style_correction: int = 0) -> Tensor:
        """Images `[B, 3, H, W]` in [0, 1] with a style `[S]` or `[B, S]` -> translations, of the same shape and range.

        Args:
            style_correction: see `__call__`; meant for the styles of references.
        """
        require_style(self.model)
        return self.restyle(self.contents(x), style, style_correction=style_correction)

    @torch.no_grad()
    def contents(self, x: Tensor) -> Tensor:
        """Images `[B, 3, H, W]` in [0, 1] -> their mean contents `[B, K, g, g]`, for several styles in turn."""
        x = self._on_device(batch_of(x, self.frame.size))
        return torch.cat(self.passes(lambda rows: self._mean(rows).content, x))

    @torch.no_grad()
    def restyle(self, content: Tensor, style: Tensor, *, style_correction: int = 0) -> Tensor:
        """Contents `[B, K, g, g]` with a style `[S]` or `[B, S]` -> images `[B, 3, H, W]` in [0, 1].

        Args:
            style_correction: see `__call__`; meant for the styles of references.
        """
        require_style(self.model)
        content = contents_of(content, self.model).to(self.device)
        style = styles_of(style, self.model.style_size, len(content)).to(self.device)
        rounds = rounds_for(self.model, style_correction)
        corrected = self.passes(lambda c, s: corrected_style(self.model, c, s, rounds), content, style)
        return self.decode(Code(content, torch.cat(corrected)))

    @staticmethod
    def to_pictures(x: Tensor) -> list[Image.Image]:
        """Images `[B, 3, H, W]`, clamped to [0, 1] -> PIL images, rounded to 8 bits."""
        if not isinstance(x, Tensor) or x.ndim != 4 or x.shape[1] != 3:
            given = f"a tensor of shape {tuple(x.shape)}" if isinstance(x, Tensor) else f"a {type(x).__name__}"
            raise UsageError(f"{given} as images: expected floats [B, 3, H, W] in [0, 1]")
        return to_pictures(finite("a tensor of images", x))

    def _batches(self, images: Pictures, size: int = BATCH, *, name: str = "images") -> Iterator[Tensor]:
        """Images, prepared as many at a time; `name` is that of the argument."""
        return map(self._on_device, batches(images, self.frame, size, name))

    def _mean(self, x: Tensor) -> Code:
        return self.model.encode(x).mean

    def _mean_code(self, image: Picture, name: str) -> Code:
        """The mean code of one image; `name` is that of the argument."""
        return self.encode(self._on_device(prepare_named(image, self.frame, name)[None]))

    def _decoded(self, code: Code) -> Iterator[Tensor]:
        """Images of a code, decoded as many at a time as the network computes."""
        return (self.decode(code[i : i + BATCH]) for i in range(0, len(code), BATCH))

    def _on_device(self, x: Tensor) -> Tensor:
        return x.to(self.device).contiguous(memory_format=torch.channels_last)

    def _label(self, domain: str, name: str = "domain") -> int:
        if not isinstance(domain, str):
            raise UsageError(f"{name} was {domain!r}: expected a name; {did_you_mean('', list(self.domains))}")
        if domain not in self.domains:
            raise UsageError(f"no domain {domain!r} in this model: {did_you_mean(domain, list(self.domains))}")
        return self.domains.index(domain)

    def _style_prior(self, domain: str) -> Gaussian:
        """p(s | d), of one row."""
        prior = self.model.prior(torch.tensor([self._label(domain, "to")], device=self.device)).style
        assert prior is not None
        return prior


def require_style(model: Autoencoder) -> None:
    """Raise UsageError for a model with a single latent, which has no style to exchange."""
    if not model.style_size:
        raise UsageError("this model has a single latent and cannot translate: train one with --recipe style")
