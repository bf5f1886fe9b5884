"""Pictures to pick from on the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from sivae_translate.data.images import UnreadableImage, read_image
from sivae_translate.errors import UsageError, shown
from sivae_translate.inference.translator import Translator
from sivae_translate.pictures import save_picture

EXAMPLES = 8
SIDE = 512  # pixels; larger examples are reduced


def example_files(translator: Translator, pictures: Sequence[Path], folder: Path) -> list[Path]:
    """Write examples into `folder` as PNG: the pictures, or without any samples of the model's prior.

    Raises:
        UsageError: a picture that cannot be read.
    """
    files = [folder / f"example-{i}.png" for i in range(1, (len(pictures) or EXAMPLES) + 1)]
    found = map(reduced, pictures) if pictures else translator.sample(EXAMPLES, truncation=0.7)
    for file, picture in zip(files, found, strict=True):
        save_picture(picture, file)
    return files


def reduced(path: Path) -> Image.Image:
    """A picture with sides of at most `SIDE` pixels."""
    try:
        picture = Image.fromarray(read_image(path, min_side=SIDE))
    except UnreadableImage as error:
        raise UsageError(f"cannot read {shown(path)} ({error}): expected an image") from None
    picture.thumbnail((SIDE, SIDE))
    return picture
