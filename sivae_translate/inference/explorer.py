"""Exploration of the latent space: reconstructions, samples, interpolations, edits and scores of a translator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from sivae_translate.errors import UsageError
from sivae_translate.host import methods_in_own_torch_state
from sivae_translate.inference.arguments import finite, is_real, whole
from sivae_translate.inference.codec import Codec
from sivae_translate.inference.edit import along, between
from sivae_translate.inference.inversion import invert
from sivae_translate.inference.prepare import Picture, several
from sivae_translate.inference.sampling import draw_codes
from sivae_translate.models.likelihood import BETA, score
from sivae_translate.types import Code, Scores


@methods_in_own_torch_state
class Explorer(Codec):
    """A codec that draws pictures from codes, moves codes, and scores images."""

    def reconstruct(self, images: Picture | Sequence[Picture], *, inversion_steps: int = 0) -> Any:
        """Reconstructions of images, from the encoder's codes or from codes of latent optimisation.

        Args:
            images: one or several.
            inversion_steps: steps of latent optimisation per image; see `inference.inversion`. No image gets worse.

        Returns:
            A PIL image of the model's size, or a list of them where several images were given.

        Raises:
            UsageError: a negative number of steps.
        """
        result = list[Image.Image]()
        for x in self._batches(images):
            result += self._decoded_pictures(invert(self.model, x, inversion_steps))
        return result if several(images) else result[0]

    def sample(
        self, count: int, *, domain: str | None = None, seed: int = 0, truncation: float = 1.0
    ) -> list[Image.Image]:
        """Samples of the prior of one domain, or of all domains alternately. Equal seeds give equal images.

        Args:
            truncation: factor of the noise around the prior's mean (truncation trick, Brock et al. 2019). 1 samples the
                prior, lower values trade variety for quality.

        Raises:
            UsageError: no such domain, fewer than 1 sample, or a negative truncation.
        """
        whole("count", count, 1)
        labels = [i % len(self.domains) if domain is None else self._label(domain) for i in range(count)]
        prior = self.model.prior(torch.tensor(labels, device=self.device))
        return self._decoded_pictures(draw_codes(prior, self.device, seed=seed, truncation=truncation))

    def interpolate(
        self, a: Picture, b: Picture, *, what: str = "both", steps: int = 8, content: Picture | None = None
    ) -> list[Image.Image]:
        """Images on the path from one image's code to another's; the first is the reconstruction of `a`.

        Args:
            what: the part that changes, "content", "style" or "both"; the other part stays that of `a`.
            steps: number of images, including both ends.
            content: an image whose content is used for all images, for `what` = "style".

        Raises:
            UsageError: fewer than 2 steps, no such `what`, "style" for a model with a single latent, or a `content`
                for another `what` than "style".
        """
        start, end = self.encode([a]), self.encode([b])
        if content is not None:
            if what != "style":
                raise UsageError(f"a content was given, and what was {what!r}: expected style, all that changes then")
            start = self.encode([content]).with_style_of(start)
        return self._decoded_pictures(between(start, end, steps, what))

    def edit(
        self, image: Picture, direction: Code, strengths: Sequence[float], *, what: str = "both"
    ) -> list[Image.Image]:
        """Edits of an image along an attribute direction, one per strength; strength 0 is the reconstruction.

        Args:
            direction: code of one row; see `inference.direction`.
            strengths: factors of the direction.
            what: the part of the direction that is added, "content", "style" or "both".

        Raises:
            UsageError: no strength, no such `what`, or a direction of other dimensions.
        """
        if not isinstance(direction, Code):
            raise UsageError(f"direction was a {type(direction).__name__}: expected a Code; see load_direction")
        direction = direction.map(lambda t: finite("a direction", t).to(self.device))
        return self._decoded_pictures(along(self.encode([image]), direction, strengths, what))

    def score(
        self,
        images: Picture | Sequence[Picture],
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
