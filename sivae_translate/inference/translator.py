"""The translator: a trained model for images, styles, codes and scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack, overload

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sivae_translate.device import pick_device
from sivae_translate.errors import UsageError, first_few
from sivae_translate.host import methods_in_own_torch_state
from sivae_translate.inference.arguments import one_style, whole
from sivae_translate.inference.canvas import in_shape
from sivae_translate.inference.codec import require_style
from sivae_translate.inference.explorer import Explorer
from sivae_translate.inference.inversion import invert
from sivae_translate.inference.output import Output, as_output, require_output
from sivae_translate.inference.prepare import OnePicture, Picture, Pictures, several
from sivae_translate.inference.sampling import draw_styles
from sivae_translate.inference.shape import INPUT, has_layout, shape_of
from sivae_translate.inference.style_correction import ROUNDS, rounds_for
from sivae_translate.models.locate import locate
from sivae_translate.models.pretrained import (
    load_model,
    require_new_name,
    save_model,
    with_domain,
)


class TargetStyle(TypedDict, total=False):
    """The keyword arguments of a translation, for type checkers; see `Translator.__call__`."""

    to: str | Tensor | None
    style: Pictures | None
    inversion_steps: int
    style_correction: int


@methods_in_own_torch_state
class Translator(Explorer):
    """A trained model with the frame its images are put into.

    Results do not depend on the batch of an image (to 1e-5), and the network computes at most 32 images at a time.
    Methods with images as arguments raise `UnreadableImage`, with the reason, for an unreadable file, and `UsageError`
    for an argument that is no image. Arguments of the wrong type, shape or range, or with NaN, raise `UsageError`.

    Attributes:
        domains: names of the model's domains.
        frame: size in pixels, fit and background of all images.
        device: device of the model, which computes in float32.
    """

    @classmethod
    def from_pretrained(
        cls, path: str | Path, device: str | torch.device = "auto", *, revision: str | None = None
    ) -> Translator:
        """The translator of a run or model directory, or of a model by name. Nothing is unpickled.

        Args:
            path: a directory; `cars`, the model that ships with the package; or `user/name` on the Hugging Face Hub,
                with a line on stderr for what is downloaded. A directory that exists wins; see `models.locate`.
            revision: a branch, a tag or a commit of a model on the hub.

        Raises:
            SivaeError: no model, or a model that is damaged, of another kind or of another format; or a name that is
                not in the cache, and no network.
            UsageError: the device is not available, no such directory or name, or no access.
        """
        device = pick_device(device)  # first, as it is quick
        return cls(*load_model(locate(path, revision))).to(device)

    def save_pretrained(self, directory: str | Path, *, half: bool = False) -> None:
        """Write `config.json` and `model.safetensors`, atomically.

        Args:
            half: write the weights as float16, in half the bytes. They are float32 again when they are loaded.

        Raises:
            SivaeError: the directory cannot be written, or a weight is above the range of float16, 65504.
        """
        save_model(Path(directory), self.model, self.settings, self.frame, half=half)

    def __repr__(self) -> str:
        side, count = self.model.content_shape[-1], len(self.domains)
        content = f"a content layout of {side} x {side}" if side > 1 else "a content vector"
        model = f"{self.settings['name']} with {content if self.model.style_size else 'a single latent'}"
        domains = f"{count} domain{'' if count == 1 else 's'}: {first_few(self.domains)}"
        return f"<Translator: model {model}, {self.frame.size} px, on {self.device}; {domains}>"

    # --- translation ------------------------------------------------------------------------------------------------

    @overload
    def __call__(  # type: ignore[overload-overlap]  # a str is a sequence too
        self, images: OnePicture, *, output: Literal["pil"] = "pil", **target: Unpack[TargetStyle]
    ) -> Image.Image: ...
    @overload
    def __call__(
        self, images: Sequence[Picture], *, output: Literal["pil"] = "pil", **target: Unpack[TargetStyle]
    ) -> list[Image.Image]: ...
    @overload
    def __call__(self, images: Tensor, *, output: Literal["pil"] = "pil", **target: Unpack[TargetStyle]) -> Any: ...
    @overload
    def __call__(self, images: Pictures, *, output: Literal["numpy"], **target: Unpack[TargetStyle]) -> np.ndarray: ...
    @overload
    def __call__(self, images: Pictures, *, output: Literal["tensor"], **target: Unpack[TargetStyle]) -> Tensor: ...
    def __call__(
        self,
        images: Pictures,
        *,
        to: str | Tensor | None = None,
        style: Pictures | None = None,
        inversion_steps: int = 0,
        style_correction: int = ROUNDS,
        output: Output = "pil",
    ) -> Any:
        """Translate images to the style of a domain or of reference images.

        Args:
            images: one or several.
            to: name of a domain, for its mean style, or a style `[S]`, such as one of `random_styles`.
            style: one or several reference images, for their mean style.
            inversion_steps: steps of latent optimisation that refine the style of the references; see
                `inference.inversion`. 10 steps improve translations to unseen domains.
            style_correction: rounds of iterative style correction for the style of references, in models whose content
                has a layout; see `inference.style_correction`.
            output: what is returned; see `inference.output.Output`.

        Returns:
            One image for one image, of the model's size: a PIL image, uint8 `[H, W, 3]` or float32 `[3, H, W]` in
            [0, 1], as `output` says. For several images a list of PIL images, or an array or tensor `[B, ...]`.

        Raises:
            UsageError: neither or both of `to` and `style`, no such domain, a style of another shape, negative steps
                or rounds, a model with a single latent, or no such `output`.
        """
        require_output(output)
        rounds = rounds_for(self.model, style_correction)
        target = self.style_of(to=to, style=style, inversion_steps=inversion_steps)
        rounds = 0 if style is None else rounds
        batches = (self.translate(x, target, style_correction=rounds) for x in self._batches(images))
        return as_output(batches, output, one=not several(images))

    def translate_picture(
        self,
        image: OnePicture,
        *,
        to: str | Tensor | None = None,
        style: Pictures | None = None,
        inversion_steps: int = 0,
        style_correction: int = ROUNDS,
        size: str | int = INPUT,
        fit: str | None = None,
        tile: bool = False,
    ) -> Image.Image:
        """Translate one image of any size and proportions, as `run` does: the result has the size of the image.

        Where images are fitted by "crop", it has that of the central square.

        Args:
            to, style, inversion_steps, style_correction: see `__call__`.
            size, fit, tile: another shape of the result, and how it is made; see `inference.shape.shape_of`.

        Raises:
            UsageError: as of `__call__`, or no such `size` or `fit`.
        """
        rounds = rounds_for(self.model, style_correction)
        shape = shape_of(self.frame, has_layout(self.model), size=size, fit=fit, tile=tile)
        target = self.style_of(to=to, style=style, inversion_steps=inversion_steps)
        return in_shape(self, image, shape, target, 0 if style is None else rounds)

    # --- styles and domains -----------------------------------------------------------------------------------------

    def style_of(
        self,
        *,
        to: str | Tensor | None = None,
        style: Pictures | None = None,
        inversion_steps: int = 0,
    ) -> Tensor:
        """The mean style `[S]` of a domain's prior or of reference images; see `__call__`.

        Latent optimisation finds one style for each batch of 32 references; the result is the mean over batches.
        """
        require_style(self.model)
        if (to is None) == (style is None):
            raise UsageError(
                f"{'neither' if to is None else 'both'} of to and style given: expected one, to='DOMAIN' or style=IMAGE"
            )
        if style is not None:
            return self._style_of_images(style, inversion_steps, "style")
        if isinstance(to, Tensor):
            return one_style(to, self.model.style_size).to(self.device)
        assert to is not None
        return self._style_prior(to).mean[0]

    def random_styles(self, to: str, count: int, *, seed: int = 0, truncation: float = 1.0) -> Tensor:
        """Styles `[count, S]` drawn from the prior p(s | d) of a domain, each an argument `to` for a translation.

        The i-th style depends on domain and seed, not on the count or the device.

        Args:
            truncation: factor of the noise around the prior's mean; see `sample`.

        Raises:
            UsageError: no such domain, fewer than 1 style, a negative truncation, or a model with a single latent.
        """
        require_style(self.model)
        whole("count", count, 1)
        return draw_styles(self._style_prior(to), count, seed=seed, truncation=truncation)

    def add_domain(self, name: str, images: Pictures, *, inversion_steps: int = 0) -> Translator:
        """A new translator with a further domain, whose mean style is that of a few images.

        Args:
            name: name of the new domain, which must be a possible name of a folder.
            images: one or several of the new domain.
            inversion_steps: see `__call__`.

        Raises:
            UsageError: the name of a known domain, one that cannot name a folder, or a model with a single latent.
        """
        require_style(self.model)
        require_new_name(name, self.domains)
        style = self._style_of_images(images, inversion_steps, "images")
        return Translator(with_domain(self.model, name, style), self.settings, self.frame).to(self.device)

    def _style_of_images(self, images: Pictures, inversion_steps: int, name: str) -> Tensor:
        """The mean style `[S]` of images; `name` is that of the argument."""
        batches = self._batches(images, name=name)
        codes = [invert(self.model, x, inversion_steps, one_style=True).style for x in batches]
        return torch.cat([code for code in codes if code is not None]).mean(0)
