"""Augmentation in the workers: albumentations on uint8 images, before they become tensors."""

from __future__ import annotations

import os
from typing import Any

import numpy as np


class Augment:
    """Mirror and crop at random, each image by its own seed.

    Args:
        size: pixels on a side, in and out.
        flip: mirror half of the images.
        crop: cut a square of at least 1 - crop of the side and scale it back; 0 leaves the frame alone.
    """

    def __init__(self, size: int, *, flip: bool, crop: float) -> None:
        self.pipeline = None
        if not (flip or crop):
            return
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # importing it asks the network for its newest version
        import albumentations as A

        steps: list[Any] = []
        if crop:
            steps.append(A.RandomResizedCrop((size, size), scale=((1 - crop) ** 2, 1.0), ratio=(1.0, 1.0)))
        if flip:
            steps.append(A.HorizontalFlip(p=0.5))
        self.pipeline = A.Compose(steps)

    def __call__(self, image: np.ndarray, seed: int) -> np.ndarray:
        """uint8 `[size, size, 3]` -> the same shape."""
        if self.pipeline is None:
            return image
        self.pipeline.set_random_seed(seed)
        augmented: np.ndarray = self.pipeline(image=image)["image"]
        return augmented
