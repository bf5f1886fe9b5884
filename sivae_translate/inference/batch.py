"""`TranslateBatch`: a translator for pipelines such as Ray Data and Spark, which send it to their workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sivae_translate.data.images import open_bytes
from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.inference.prepare import Picture
from sivae_translate.inference.style_correction import ROUNDS, rounds_for
from sivae_translate.inference.translator import Translator
from sivae_translate.pictures import picture_bytes

ERROR = "error"


class TranslateBatch:
    """Translates batches of images, given as columns by name: `translate({"image": images})`.

    An instance holds arguments alone, so it is small to send to a worker (pickle). The first batch loads the model.

    Args:
        model: a run or model folder, which every worker can read.
        to: name of a domain, for its mean style, or a style `[S]`, a tensor or an array.
        style: one or several reference images, for their mean style.
        inversion_steps, style_correction: refine the style of references; see `Translator.__call__`.
        column: name of the column of images.
        device: device of the model in a worker.

    Raises:
        UsageError: neither or both of `to` and `style`.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        to: str | Tensor | np.ndarray | None = None,
        style: Picture | Sequence[Picture] | None = None,
        inversion_steps: int = 0,
        style_correction: int = ROUNDS,
        column: str = "image",
        device: str = "auto",
    ) -> None:
        if (to is None) == (style is None):
            raise UsageError("expected one of to='DOMAIN' and style=IMAGE")
        self.model, self.column, self.device = str(model), column, device
        self.to, self.style = torch.from_numpy(to) if isinstance(to, np.ndarray) else to, style
        self.inversion_steps, self.style_correction = inversion_steps, style_correction
        self._loaded: tuple[Translator, Tensor, int] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_loaded": None}

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Translate the images of a batch of rows.

        Images are a uint8 array `[B, H, W, 3]`, or a sequence of uint8 arrays `[H, W]` or `[H, W, 3 or 4]` of any
        sizes, or of bytes, the contents of image files.

        Returns:
            The columns of the batch, with translations of the model's size in place of the images, and with a column
            "error". An array gives a uint8 array `[B, size, size, 3]`. In a sequence arrays give arrays, and bytes
            give bytes, a PNG file. An item that cannot be read gives None, and its error gives the reason; other
            errors are None.

        Raises:
            UsageError: no such column, an array of another shape or type, or no such domain.
            SivaeError: no model, or a damaged one.
        """
        if self.column not in batch:
            raise UsageError(f"no column {self.column!r} in a batch of {', '.join(batch)}: expected the images there")
        images = batch[self.column]
        whole = isinstance(images, np.ndarray) and images.dtype != object
        if whole and (images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3):
            raise UsageError(f"images of shape {images.shape}, {images.dtype}: expected uint8 [B, H, W, 3], or a list")
        translated, errors = self._translate(list(images))
        return {**batch, self.column: self._stacked(translated) if whole else in_column(translated), ERROR: errors}

    def _load(self) -> tuple[Translator, Tensor, int]:
        """The translator, the style `[S]` and the rounds of style correction; loaded once in each process."""
        if self._loaded is None:
            translator = Translator.from_pretrained(self.model, device=self.device)
            style = translator.style_of(to=self.to, style=self.style, inversion_steps=self.inversion_steps)
            rounds = rounds_for(translator.model, self.style_correction)
            self._loaded = translator, style, 0 if self.style is None else rounds
        return self._loaded

    def _translate(self, items: list[Any]) -> tuple[list[Any], list[str | None]]:
        """The translation of each item, or None, and the reason for None."""
        translator, style, rounds = self._load()
        prepared, errors = list[Tensor](), list[str | None]()
        for item in items:
            try:
                prepared.append(translator.prepare(opened(item, translator.frame.size)))
                errors.append(None)
            except SivaeError as error:
                errors.append(str(error))
        if not prepared:
            return [None] * len(items), errors
        found = iter(translator.to_pictures(translator.translate(torch.cat(prepared), style, style_correction=rounds)))
        return [None if error else closed(next(found), item) for item, error in zip(items, errors, strict=True)], errors

    def _stacked(self, images: list[np.ndarray]) -> np.ndarray:
        """Images as one array, also where there is none."""
        size = self._load()[0].frame.size
        return np.stack(images) if images else np.empty((0, size, size, 3), np.uint8)


def opened(item: Any, size: int) -> Image.Image | np.ndarray:
    """An item as an image of at least `size` pixels. Raises UsageError for another type, UnreadableImage for a file."""
    if isinstance(item, bytes | bytearray | memoryview):
        return open_bytes(bytes(item), min_side=size)
    if isinstance(item, np.ndarray):
        return item
    raise UsageError(f"a {type(item).__name__} is no image: expected a uint8 array or the bytes of a file")


def closed(picture: Image.Image, item: Any) -> np.ndarray | bytes:
    """A translation in the form of its item: an array, or the bytes of a PNG file."""
    if isinstance(item, np.ndarray):
        return np.array(picture)
    return picture_bytes(picture, "PNG")


def in_column(items: list[Any]) -> np.ndarray:
    """A column of objects `[B]`, as the frameworks take it: a list of equal arrays would become one array."""
    column = np.empty(len(items), object)
    for row, item in enumerate(items):
        column[row] = item
    return column
