"""Back-translation: rows are reconstructed from their translations, so content must survive a change of domain."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sivae_translate.objectives.elbo import ELBO, Reconstructions
from sivae_translate.objectives.pairs import previous_pair, whole_pairs
from sivae_translate.objectives.sampling import sample, uniform
from sivae_translate.types import Batch, Code, Model, Posterior

OVERSHOOT = 2.0  # a translation's style is other + u (other - own), with u uniform in 0..OVERSHOOT


@dataclass(frozen=True)
class BackTranslation:
    """The first rows of a batch, reconstructed from their translations into the style of the previous pair.

    The translation is encoded. Its content, decoded in the row's own style, is compared to the row. Without
    back-translation the decoder gets contents only with styles of their own domain, and relies on the trace of the
    domain in the content.

    Back-translation: Sennrich et al. 2016 (arXiv:1511.06709), without pairs Lample et al. 2018 (arXiv:1711.00043). The
    loss is the cycle consistency of Zhu et al. 2017 (arXiv:1703.10593), without gradient through the translation.

    Attributes:
        fraction: rows, as a fraction of the batch, 0..1.
    """

    fraction: float

    def __post_init__(self) -> None:
        if not 0 <= self.fraction <= 1:
            raise ValueError("back_translation: must be 0 to 1, a fraction of the batch")

    def append(
        self, rows: Reconstructions, model: Model, batch: Batch, z: Code, elbo: ELBO, generator: torch.Generator
    ) -> Reconstructions:
        """The rows, followed by those from translations; unchanged for a fraction of 0 or a single latent.

        The style of a translation overshoots the previous pair's, so that the translation clearly shows the other
        domain. No gradient goes through the translation itself.

        Args:
            z: codes after `swap_styles`: row i has its own content and its partner's style, which is of the same
                domain and counts as its own.
        """
        if not self.fraction or z.style is None:
            return rows
        n = whole_pairs(self.fraction, len(batch))
        own, other = z.style[:n], previous_pair(z.style)[:n]
        with torch.no_grad():
            beyond = OVERSHOOT * uniform((n, 1), generator)
            translated = model.decode(Code(z.content[:n], other + beyond * (other - own))).clamp(0, 1)
        q = Posterior(model.encode(translated).content)
        outputs = model.decode(Code(sample(q, generator).content, own))
        kl = elbo.kl(q, model.prior(batch.domains[:n]))
        return Reconstructions.cat([rows, Reconstructions(batch.targets[:n], outputs, kl)])
