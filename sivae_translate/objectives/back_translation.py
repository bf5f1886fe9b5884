"""Back-translation: a row is reconstructed from its translation, so content must survive a change of domain."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sivae_translate.objectives.elbo import ELBO, Reconstructions, sample, whole_pairs
from sivae_translate.types import Batch, Code, Latents, Model

OVERSHOOT = 2.0  # largest step beyond the target style, as a multiple of the way to it


@dataclass(frozen=True)
class BackTranslation:
    """The first rows of a batch, reconstructed from their translations.

    A translation into the next pair's style is encoded; its content under the row's own style must give the row back.
    Sennrich et al. 2016 (arXiv:1511.06709), without pairs Lample et al. 2018 (arXiv:1711.00043); for images it is the
    way back of a cycle (Zhu et al. 2017), the only one that is learned here. Without it the decoder meets a content
    only under its own domain's style, and relies on the trace of the domain in the content.

    Attributes:
        fraction: fraction of the batch, 0..1; 0: none.
    """

    fraction: float

    def __post_init__(self) -> None:
        if not 0 <= self.fraction <= 1:
            raise ValueError("back_translation: must be 0 to 1, a fraction of the batch")

    def extend(
        self, rows: Reconstructions, model: Model, batch: Batch, z: Code, elbo: ELBO, generator: torch.Generator
    ) -> Reconstructions:
        """The rows, and below them those from translations; as they are for a fraction of 0 or a single latent."""
        if not self.fraction or z.style is None:
            return rows
        return rows + self(model, batch, z, elbo, generator)

    def __call__(self, model: Model, batch: Batch, z: Code, elbo: ELBO, generator: torch.Generator) -> Reconstructions:
        """Reconstructions of the first rows from their translations.

        The style overshoots the target by up to `OVERSHOOT`, so that the trace is of the other domain. No gradient
        goes through the translation itself.

        Args:
            z: content of each row, and the style of its partner, which is the row's own too.
        """
        assert z.style is not None
        n = whole_pairs(self.fraction, len(batch))
        own, target = z.style[:n], z.style.roll(2, 0)[:n]
        with torch.no_grad():
            beyond = OVERSHOOT * torch.rand((n, 1), generator=generator, device=own.device)
            translated = model.decode(Code(z.content[:n], target + beyond * (target - own))).clamp(0, 1)
        q = Latents(model.encode(translated).content)
        back = model.decode(Code(sample(q, generator).content, own))
        return Reconstructions(batch.targets[:n], back, elbo.kl(q, model.prior(batch.domains[:n])))
