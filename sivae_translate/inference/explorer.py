"""Exploration of the latent space: reconstructions, samples, interpolations, edits and scores of a translator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypedDict, Unpack, overload

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sivae_translate.errors import UsageError
from sivae_translate.host import methods_in_own_torch_state
from sivae_translate.inference.arguments import finite, is_real, whole
from sivae_translate.inference.codec import Codec
from sivae_translate.inference.edit import along, between
from sivae_translate.inference.inversion import invert
from sivae_translate.inference.output import Output, as_output, require_output
from sivae_translate.inference.prepare import OnePicture, Picture, Pictures, several
from sivae_translate.inference.sampling import draw_codes
from sivae_translate.models.likelihood import BETA, score
from sivae_translate.types import Code, Scores


class Sampling(TypedDict, total=False):
    """Keyword arguments of `Explorer.sample`, for type checkers."""

    domain: str | None
    seed: int
    truncation: float


class Between(TypedDict, total=False):
    """Keyword arguments of `Explorer.interpolate`, for type checkers."""

    what: str
    steps: int
    content: Picture | None


class Editing(TypedDict, total=False):
    """Keyword arguments of `Explorer.edit`, for type checkers."""

    what: str


@methods_in_own_torch_state
class Explorer(Codec):
    """A codec that draws pictures from codes, moves codes, and scores images."""

    @overload
    def reconstruct(  # type: ignore[overload-overlap]  # a str is a sequence too
        self, images: OnePicture, *, inversion_steps: int = 0, output: Literal["pil"] = "pil"
    ) -> Image.Image: ...
    @overload
    def reconstruct(
        self, images: Sequence[Picture], *, inversion_steps: int = 0, output: Literal["pil"] = "pil"
    ) -> list[Image.Image]: ...
    @overload
    def reconstruct(self, images: Tensor, *, inversion_steps: int = 0, output: Literal["pil"] = "pil") -> Any: ...
    @overload
    def reconstruct(self, images: Pictures, *, inversion_steps: int = 0, output: Literal["numpy"]) -> np.ndarray: ...
    @overload
    def reconstruct(self, images: Pictures, *, inversion_steps: int = 0, output: Literal["tensor"]) -> Tensor: ...
    def reconstruct(self, images: Pictures, *, inversion_steps: int = 0, output: Output = "pil") -> Any:
        """Reconstructions of images, from the encoder's codes or from codes of latent optimisation.

        Args:
            images: one or several.
            inversion_steps: steps of latent optimisation per image; see `inference.inversion`. No image gets worse.

        Returns:
            One image for one image, of the model's size: a PIL image, uint8 `[H, W, 3]` or float32 `[3, H, W]` in
            [0, 1], as `output` says. For several images a list of PIL images, or an array or tensor `[B, ...]`.

        Raises:
            UsageError: a negative number of steps.
        """
        require_output(output)
        batches = (self.decode(invert(self.model, x, inversion_steps)) for x in self._batches(images))
        return as_output(batches, output, one=not several(images))

    @overload
    def sample(
        self, count: int, *, output: Literal["pil"] = "pil", **options: Unpack[Sampling]
    ) -> list[Image.Image]: ...
    @overload
    def sample(self, count: int, *, output: Literal["numpy"], **options: Unpack[Sampling]) -> np.ndarray: ...
    @overload
    def sample(self, count: int, *, output: Literal["tensor"], **options: Unpack[Sampling]) -> Tensor: ...
    def sample(
        self, count: int, *, domain: str | None = None, seed: int = 0, truncation: float = 1.0, output: Output = "pil"
    ) -> Any:
        """Samples of the prior of one domain, or of all domains alternately. Equal seeds give equal images.

        Args:
            truncation: factor of the noise around the prior's mean (truncation trick, Brock et al. 2019). 1 samples the
                prior, lower values trade variety for quality.

        Returns:
            The images as `output` says: a list of PIL images, uint8 `[B, H, W, 3]`, or float32 `[B, 3, H, W]` in
            [0, 1].

        Raises:
            UsageError: no such domain, fewer than 1 sample, or a negative truncation.
        """
        require_output(output)
        whole("count", count, 1)
        labels = [i % len(self.domains) if domain is None else self._label(domain) for i in range(count)]
        prior = self.model.prior(torch.tensor(labels, device=self.device))
        return as_output(self._decoded(draw_codes(prior, self.device, seed=seed, truncation=truncation)), output)

    @overload
    def interpolate(
        self, a: Picture, b: Picture, *, output: Literal["pil"] = "pil", **options: Unpack[Between]
    ) -> list[Image.Image]: ...
    @overload
    def interpolate(
        self, a: Picture, b: Picture, *, output: Literal["numpy"], **options: Unpack[Between]
    ) -> np.ndarray: ...
    @overload
    def interpolate(
        self, a: Picture, b: Picture, *, output: Literal["tensor"], **options: Unpack[Between]
    ) -> Tensor: ...
    def interpolate(
        self,
        a: Picture,
        b: Picture,
        *,
        what: str = "both",
        steps: int = 8,
        content: Picture | None = None,
        output: Output = "pil",
    ) -> Any:
        """Images on the path from one image's code to another's; the first is the reconstruction of `a`.

        Args:
            what: the part that changes, "content", "style" or "both"; the other part stays that of `a`.
            steps: number of images, including both ends.
            content: an image whose content is used for all images, for `what` = "style".

        Returns:
            The images as `output` says: a list of PIL images, uint8 `[B, H, W, 3]`, or float32 `[B, 3, H, W]` in
            [0, 1].

        Raises:
            UsageError: fewer than 2 steps, no such `what`, "style" for a model with a single latent, or a `content`
                for another `what` than "style".
        """
        require_output(output)
        start, end = self._mean_code(a, "a"), self._mean_code(b, "b")
        if content is not None:
            if what != "style":
                raise UsageError(f"a content was given, and what was {what!r}: expected style, all that changes then")
            start = self._mean_code(content, "content").with_style_of(start)
        return as_output(self._decoded(between(start, end, steps, what)), output)

    @overload
    def edit(
        self,
        image: Picture,
        direction: Code,
        strengths: Sequence[float],
        *,
        output: Literal["pil"] = "pil",
        **options: Unpack[Editing],
    ) -> list[Image.Image]: ...
    @overload
    def edit(
        self,
        image: Picture,
        direction: Code,
        strengths: Sequence[float],
        *,
        output: Literal["numpy"],
        **options: Unpack[Editing],
    ) -> np.ndarray: ...
    @overload
    def edit(
        self,
        image: Picture,
        direction: Code,
        strengths: Sequence[float],
        *,
        output: Literal["tensor"],
        **options: Unpack[Editing],
    ) -> Tensor: ...
    def edit(
        self, image: Picture, direction: Code, strengths: Sequence[float], *, what: str = "both", output: Output = "pil"
    ) -> Any:
        """Edits of an image along an attribute direction, one per strength; strength 0 is the reconstruction.

        Args:
            direction: code of one row; see `inference.direction`.
            strengths: factors of the direction.
            what: the part of the direction that is added, "content", "style" or "both".

        Returns:
            The images as `output` says: a list of PIL images, uint8 `[B, H, W, 3]`, or float32 `[B, 3, H, W]` in
            [0, 1].

        Raises:
            UsageError: no strength, no such `what`, or a direction of other dimensions.
        """
        require_output(output)
        if not isinstance(direction, Code):
            raise UsageError(f"direction was a {type(direction).__name__}: expected a Code; see load_direction")
        direction = direction.map(lambda t: finite("a direction", t).to(self.device))
        return as_output(self._decoded(along(self._mean_code(image, "image"), direction, strengths, what)), output)

    def score(
        self,
        images: Pictures,
        samples: int = 5,
        seed: int = 0,
        *,
        beta: float = BETA,
        batch: int = 32,
    ) -> Scores:
        """Bounds on log p(x) of one image or several, for out-of-distribution detection; see `types.Scores`.

        `kl` and `rec` do not depend on the batch or the order of the images, to a relative 1e-5.

        Args:
            samples: K, codes drawn for each image. More samples give a tighter bound and take longer.
            seed: seed of the noise, which also depends on the image's pixels.
            beta: twice the variance of p(x | z) = N(x; D(z), beta / 2 I).
            batch: images scored at a time.

        Raises:
            UsageError: no samples, or a beta that is not positive.
        """
        whole("samples", samples, 1)
        whole("batch", batch, 1)
        if not is_real(beta):
            raise UsageError(f"beta was {beta!r}: expected a positive number, twice the variance of p(x | z)")
        batches = self._batches(images, batch)
        return Scores.cat([score(self.model, x, samples=samples, seed=seed, beta=beta) for x in batches])
