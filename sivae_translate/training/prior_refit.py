"""The style priors of a model that is to be saved, refitted in closed form to the styles of its training images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from sivae_translate.data.batches import Images, collate
from sivae_translate.data.domains import evenly_spread
from sivae_translate.types import Gaussian

LOOKED_AT = 4096  # images, shared among the domains: seconds on a CPU
FEWEST = 8  # of each, however many domains there are


@torch.no_grad()
def refit_style_prior(model: Any, images: Images, batch: int) -> None:
    """Refit each domain's style prior to the styles of its images, where the model has styles.

    The game moves styles while the learning rate falls: what the priors learned by then is short of the mark, and the
    mean style of a domain is what most translations are made with.

    Args:
        model: a `StyleAutoencoder` as it will be saved; changed in place.
        images: the training images, some of which are encoded, `batch` at a time.
    """
    if not model.style_size:
        return
    rows, device = spread_over_domains(images.domains.labels), next(model.parameters()).device
    labels, styles = [], []
    for start in range(0, len(rows), batch):
        pixels, domains = collate([images[row, 0] for row in rows[start : start + batch]])
        styles.append(model.encode(pixels.to(device).float() / 255).style)
        labels.append(domains.to(device))
    model.refit_style_prior(torch.cat(labels), Gaussian.cat(styles))


def spread_over_domains(labels: Sequence[int]) -> list[int]:
    """Rows of about `LOOKED_AT` images, as many of each domain that has as many, evenly spread over it."""
    members = [np.flatnonzero(np.asarray(labels) == domain).tolist() for domain in np.unique(labels)]
    share = max(FEWEST, LOOKED_AT // len(members))
    return [row for rows in members for row in evenly_spread(rows, share)]
