"""Prior refit: the style priors of a saved model, fitted in closed form to the styles of training images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from sivae_translate.data.batches import Images, collate
from sivae_translate.data.listing import evenly_spread
from sivae_translate.models import Autoencoder, TranslatingAutoencoder
from sivae_translate.types import Gaussian

ENCODED = 4096  # images of all domains, which take seconds on a CPU
FEWEST = 8  # images of each domain, which may exceed `ENCODED` in all


@torch.no_grad()
def refit_style_prior(model: Autoencoder, images: Images, batch: int) -> None:
    """Refit the style prior of each domain to the styles of its images; a single latent is unchanged.

    Adversarial training moves the styles while the learning rate falls, and the learned priors lag behind. Most
    translations use the mean of a domain's prior.

    Args:
        model: the model to save, changed in place.
        images: the training images, of which `spread_over_domains` selects some.
        batch: images encoded at a time.
    """
    if not isinstance(model, TranslatingAutoencoder):
        return
    rows, device = spread_over_domains(images.domains.labels), next(model.parameters()).device
    labels, styles = [], []
    for start in range(0, len(rows), batch):
        pixels, domains = collate([images.unaugmented(row) for row in rows[start : start + batch]])
        style = model.encode(pixels.to(device).float() / 255).style
        assert style is not None
        styles.append(style)
        labels.append(domains.to(device))
    model.refit_style_prior(torch.cat(labels), Gaussian.cat(styles))


def spread_over_domains(labels: Sequence[int]) -> list[int]:
    """Rows of about `ENCODED` images, up to an equal number per domain, evenly spread over each domain."""
    order = np.argsort(labels, kind="stable")
    members = np.split(order, np.cumsum(np.unique(labels, return_counts=True)[1])[:-1])
    each = max(FEWEST, ENCODED // len(members))
    return [row for rows in members for row in evenly_spread(rows.tolist(), each)]
