"""Held-out images of a run, and the figures of a model on them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from sivae_translate.data.batches import Images, collate
from sivae_translate.data.holdout import HeldOut
from sivae_translate.data.listing import LeftOut, evenly_spread
from sivae_translate.data.reader import read_images
from sivae_translate.errors import UsageError
from sivae_translate.models import Autoencoder
from sivae_translate.models.random_vgg16 import WIDTH, RandomVGG16, centred
from sivae_translate.progress import Display
from sivae_translate.recipe import Recipe
from sivae_translate.training.constructors import has_style
from sivae_translate.training.figures import LinearClassifier, mean_kid, psnr, rows_of
from sivae_translate.types import Code

COUNT = 200  # held-out images, and translations, that a figure is of at most
REAL = 400  # training images that translations are compared with, of all targets together
TARGETS = 25  # target domains, so that each has several translations
BATCH, PIXELS = 32, 128**2  # images of so many pixels that a network takes at a time; fewer of larger ones

Figures = dict[str, float]


class HeldOutFigures:
    """At most `COUNT` held-out images and their translations, the same at every call.

    Args:
        held: the images.
        images: the training images, whose frame and domains hold. Some are the real images of the targets.
        translates: whether the model has a style; else reconstructions alone are measured.
        device: of the model.

    Attributes:
        pixels: uint8 `[n, 3, H, W]`; n may be 0 where no image can be read.
        criterion: the figure that a model is chosen by: the lowest "kid_random_vgg16", without it the highest "psnr".
        kinds: the figures of a call: "psnr" in dB, and where there are translations "domain_accuracy" in [0, 1] and
            "kid_random_vgg16".
        baselines: "domain_accuracy_real" of the held-out images themselves, and "kid_copy" of untranslated inputs.
    """

    def __init__(self, held: HeldOut, images: Images, translates: bool, device: torch.device) -> None:
        self.origin, self.chooses, self.device = held.origin, held.chooses, device
        self.batch = max(2, min(BATCH, BATCH * PIXELS // images.frame.size**2))
        rows = evenly_spread(range(len(held.sources)), COUNT)
        read = [*zip(rows, read_images([held.sources[row] for row in rows], images.frame), strict=True)]
        kept = [(row, image) for row, image in read if not isinstance(image, LeftOut)]
        label_of = {name: label for label, name in enumerate(images.domains.names)}
        labelled = [(image, label_of.get(held.domains[row], -1)) for row, image in kept]  # -1: a pseudo-domain
        size = images.frame.size
        self.pixels, labels = collate(labelled) if labelled else (torch.empty(0, 3, size, size), torch.empty(0))
        self.labels: list[int] = labels.tolist()
        self.baselines: Figures = {}
        self.inputs, self.targets = translations_of(self.labels, images) if translates else ([], [])
        if self.inputs:
            try:
                self._compare_with(images)
            except UsageError:  # the real images are all alike, and no feature tells anything
                self.inputs, self.targets = [], []
        self.kinds = ("psnr", "domain_accuracy", "kid_random_vgg16") if self.inputs else ("psnr",)
        self.criterion = self.kinds[-1]

    def _compare_with(self, images: Images) -> None:
        """Learn the features of real images of the targets, and measure the baselines."""
        self.net = RandomVGG16(deviations=True).to(self.device)
        domains = sorted(set(self.targets))
        rows = [
            row
            for domain in domains
            for row in evenly_spread(rows_of(images.domains.labels, domain), REAL // len(domains))
        ]
        pixels, self.real_labels = collate([images.unaugmented(row) for row in rows])
        features = self._features(pixels)
        self.classifier = LinearClassifier(features, self.real_labels)
        self.real = features[:, :WIDTH]
        self.real_centred = centred(self.real, self.real)
        own = self._features(self.pixels)
        inputs = self._kid(own[self.inputs])
        known = [row for row, label in enumerate(self.labels) if label in domains]
        self.baselines["kid_copy"] = inputs
        if known:
            labels = torch.tensor(self.labels)[known]
            self.baselines["domain_accuracy_real"] = self.classifier.accuracy(own[known], labels)

    @torch.no_grad()
    def __call__(self, model: Autoencoder) -> Figures:
        """The figures of a model on the device."""
        codes = [model.encode(self._images(rows)).mean for rows in self._batches(range(len(self.pixels)))]
        code = Code.cat(codes)
        figures = {"psnr": float(torch.cat([*self._reconstructions(model, code)]).mean())}
        if self.inputs:
            features = torch.cat([self._features(images) for images in self._translations(model, code)])
            targets = torch.tensor(self.targets)
            figures["domain_accuracy"] = self.classifier.accuracy(features, targets)
            figures["kid_random_vgg16"] = self._kid(features)
        return figures

    def _reconstructions(self, model: Autoencoder, code: Code) -> Iterator[Tensor]:
        for rows in self._batches(range(len(self.pixels))):
            yield psnr(self._images(rows), model.decode(rows_of_code(code, rows))).cpu()

    def _translations(self, model: Autoencoder, code: Code) -> Iterator[Tensor]:
        """uint8 `[B, 3, H, W]`, in the mean style of each target's prior."""
        for at in self._batches(range(len(self.inputs))):
            prior = model.prior(torch.tensor([self.targets[i] for i in at], device=self.device))
            assert prior.style is not None
            rows = [self.inputs[i] for i in at]
            images = model.decode(Code(code.content[rows], prior.style.mean))
            yield (images.clamp(0, 1) * 255).round().byte()

    def _kid(self, features: Tensor) -> float:
        moved = centred(features[:, :WIDTH], self.real)
        return mean_kid(moved, torch.tensor(self.targets), self.real_centred, self.real_labels)

    @torch.no_grad()
    def _features(self, pixels: Tensor) -> Tensor:
        """uint8 `[B, 3, H, W]` -> float64 `[B, F]` on the CPU."""
        parts = [self.net(pixels[rows].to(self.device)) for rows in self._batches(range(len(pixels)))]
        return torch.cat(parts).cpu().double()

    def _images(self, rows: list[int]) -> Tensor:
        return self.pixels[rows].to(self.device).float() / 255

    def _batches(self, rows: range) -> Iterator[list[int]]:
        yield from ([*rows[start : start + self.batch]] for start in range(0, len(rows), self.batch))

    def fingerprint(self) -> str:
        """SHA-256 of the images and the domains that they are translated to."""
        digest = hashlib.sha256(np.ascontiguousarray(self.pixels.numpy()).data)
        digest.update(repr((self.labels, self.inputs, self.targets)).encode())
        return digest.hexdigest()


def rows_of_code(code: Code, rows: list[int]) -> Code:
    return code.map(lambda part: part[rows])


def translations_of(labels: list[int], images: Images) -> tuple[list[int], list[int]]:
    """The held-out row and the target of each translation, at most `COUNT`, equally many for each target.

    A target has two training images, two inputs from other domains, and is one of `TARGETS`; there are none where
    the training images are of one domain.

    Args:
        labels: the domains of the held-out images, -1 for none.
    """
    large = [domain for domain, count in enumerate(images.domains.counts()) if count > 1]
    targets = evenly_spread(large, TARGETS) if len(images.domains.names) > 1 else []
    inputs: list[int] = []
    of: list[int] = []
    for k, target in enumerate(targets):
        others = [row for row, label in enumerate(labels) if label != target]
        others = others[k % max(1, len(others)) :] + others[: k % max(1, len(others))]  # other inputs for each target
        rows = evenly_spread(others, COUNT // len(targets))
        if len(rows) > 1:
            inputs, of = inputs + rows, of + [target] * len(rows)
    return inputs, of


def load_held_out(
    held: HeldOut | None, images: Images, recipe: Recipe, device: torch.device, display: Display
) -> HeldOutFigures | None:
    """The held-out images of a run, with a note on what they are for; None where there are none to read."""
    if held is None:
        return None
    heldout = HeldOutFigures(held, images, has_style(recipe), device)
    asked, found = min(COUNT, len(held.sources)), len(heldout.pixels)
    if found < asked:
        display.note(f"{asked - found:,} of {asked:,} held-out images of {held.origin} cannot be read")
    if not found:
        return None
    use = (
        f"the model with the best {heldout.criterion} is kept in model-best/"
        if held.chooses
        else "no model is chosen by a test split: for model-best/, add --set data.holdout=0.05 or a split val/"
    )
    display.note(f"{found:,} held-out images of {held.origin} give {', '.join(heldout.kinds)}; {use}")
    return heldout
