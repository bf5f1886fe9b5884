"""Feature extractors: networks in whose features sets of images are compared.

FID and KID are defined by Inception's features, whose weights the user fetches. Without them a VGG-16 with random
weights serves. Far from ImageNet, random features are the sounder choice (Naeem et al. 2020, arXiv:2002.09797).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from sivae_translate.errors import UsageError, shown
from sivae_translate.extras import require
from sivae_translate.models.random_vgg16 import WIDTH, RandomVGG16

# The file of torch-fidelity; pytorch-fid publishes the same bytes as pt_inception-2015-12-05-6726825d.pth.
INCEPTION_URL = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
)
INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"


@dataclass(frozen=True)
class Extractor:
    """A network and how its features are used.

    Attributes:
        name: in reports.
        net: uint8 `[B, 3, H, W]` -> features `[B, F]`, float32; frozen, in eval mode.
        to_centre: whether features need `centred` before sets are compared.
        compared: sets are compared in the first so many features, or in all for None. Classifiers read all features.
    """

    name: str
    net: nn.Module
    to_centre: bool = False
    compared: int | None = None

    @property
    def read_as(self) -> str:
        """The name of all features, which classifiers read."""
        return self.name if self.compared is None else f"{self.name}, mean and deviation"

    @torch.no_grad()
    def __call__(self, pictures: Sequence[Image.Image], device: torch.device) -> Tensor:
        """The features of pictures of one size, float64 `[B, F]` on the CPU."""
        x = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures])).permute(0, 3, 1, 2).contiguous()
        features: Tensor = self.net.to(device)(x.to(device))
        return features.cpu().double()


def load_extractor(inception: str | Path | None) -> Extractor:
    """Inception with the weights of this file, or for None the random VGG-16, for `fidelity`.

    Raises:
        UsageError: not the published file, or a package of the extra `evaluation` is not installed.
    """
    fid = require("torchmetrics.image.fid", "evaluation")
    if inception is None:
        return Extractor("random-vgg16", RandomVGG16(), to_centre=True)
    require("torch_fidelity", "evaluation")
    # torch-fidelity would unpickle the file, and unpickling can run code. The tensors are read here without unpickling
    # and handed over as a new file.
    weights = io.BytesIO()
    torch.save(read_inception(inception), weights)
    weights.seek(0)
    with torch.random.fork_rng(devices=[]):  # the constructor draws random weights first
        net = fid.FrechetInceptionDistance(2048, feature_extractor_weights_path=weights).inception
    return Extractor("inception", net.eval())


def load_reader(inception: str | Path | None) -> Extractor:
    """As `load_extractor`, for classifiers too: the random VGG-16 has deviations, and needs no extra to be loaded."""
    if inception is None:
        return Extractor("random-vgg16", RandomVGG16(deviations=True), to_centre=True, compared=WIDTH)
    return load_extractor(inception)


def read_inception(file: str | Path) -> dict[str, Tensor]:
    """Inception's published weights. Raises UsageError for a missing or another file."""
    return read_published(file, INCEPTION_SHA256, INCEPTION_URL)


def read_published(file: str | Path, sha256: str, url: str) -> dict[str, Tensor]:
    """The weights in a file whose SHA-256 starts with `sha256`. Raises UsageError for a missing or another file."""
    file, expected = Path(file), f"expected your copy of {url}"
    if not file.is_file():
        there = "is no regular file" if file.exists() else "does not exist"
        raise UsageError(f"{shown(file)} {there}: {expected}")
    with file.open("rb") as data:
        digest = hashlib.file_digest(data, "sha256").hexdigest()
        if not digest.startswith(sha256):
            raise UsageError(f"{shown(file)} has sha256 {digest[:16]}..., not {sha256[:16]}...: {expected}")
        data.seek(0)
        weights: dict[str, Tensor] = torch.load(data, map_location="cpu", weights_only=True)
    return weights
