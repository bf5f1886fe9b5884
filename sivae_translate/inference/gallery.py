"""`gallery.html`: the translations of a folder beside their inputs, under a slider, from the folder's manifest.

Outputs are linked, as they lie beside the page. Inputs may be anywhere, so small previews of them are embedded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path, PurePath
from urllib.parse import quote

from PIL import Image, ImageOps

from sivae_translate.atomic import write_text_atomic
from sivae_translate.data.images import Frame, UnreadableImage, open_image, read_image
from sivae_translate.errors import UsageError, shown
from sivae_translate.inference.rows import Row, read_rows
from sivae_translate.names import as_path
from sivae_translate.pages.embed import data_uri, jpeg
from sivae_translate.pages.templates import START, render
from sivae_translate.pictures import picture_bytes
from sivae_translate.training.directory import begins

GALLERY = "gallery.html"
PAIRS = 200  # on a page, at most
PREVIEW = 256  # pixels of the longer side of a preview
PNG_BYTES = 20_000  # of a preview, beyond which it is a JPEG


@dataclass(frozen=True)
class Pair:
    """An input with one of its translations.

    Attributes:
        name: of the input's file.
        target: name of the style.
        before: data URI of the input's preview; empty where the input cannot be read any more.
        after: link to the output.
        width, height: of the output in pixels.
    """

    name: str
    target: str
    before: str
    after: str
    width: int
    height: int


def require_gallery(out: Path) -> None:
    """Raise UsageError where `out` has a `gallery.html` of somebody else, which is never overwritten."""
    path = out / GALLERY
    if os.path.lexists(path) and not (path.is_file() and begins(path, START)):
        raise UsageError(f"{path} is not a page of ours, and nothing is overwritten: choose another --out")


def write_gallery(out: Path, manifest: Path, frame: Frame, fit: str | None = None) -> Path:
    """Write `out/gallery.html` with the first `PAIRS` translations of a manifest.

    Args:
        frame: of the model.
        fit: how inputs were put before the model, as in `shape.Shape`; None: the frame's.

    Returns:
        The page.

    Raises:
        UsageError: see `require_gallery`.
    """
    require_gallery(out)
    frame = replace(frame, fit=fit or frame.fit)
    total = sum(1 for _ in translated_rows(manifest))
    pairs = [pair for row in islice(translated_rows(manifest), PAIRS) if (pair := pair_of(out, row, frame))]
    title = f"Translations in {shown(out.resolve().name)}"
    page = render("inference", "gallery.html.j2", title=title, pairs=pairs, total=total)
    write_text_atomic(out / GALLERY, page)
    return out / GALLERY


def translated_rows(manifest: Path) -> Iterator[Row]:
    return (row for row in read_rows(manifest) if row.status == "ok" and row.output)


def pair_of(out: Path, row: Row, frame: Frame) -> Pair | None:
    """The pair of a row; None where the output is gone."""
    try:
        with open_image(out / as_path(row.output)) as output:
            size = output.size
    except (UnreadableImage, OSError):
        return None
    link = quote(row.output.encode("utf-8", "surrogateescape"))
    name = shown(PurePath(row.input).name)
    return Pair(name, shown(row.target), preview(Path(as_path(row.input)), size, frame), link, *size)


def preview(path: Path, size: tuple[int, int], frame: Frame) -> str:
    """The part of an input that the model saw, in the proportions of its output, as a data URI; empty if unreadable."""
    try:
        pixels = read_image(path, background=frame.background, min_side=PREVIEW, white=frame.white)
    except (UnreadableImage, OSError):
        return ""
    picture = Image.fromarray(pixels)
    width, height = (max(1, round(side * PREVIEW / max(size))) for side in size)
    picture = fitted(picture, (width, height), frame)
    data = picture_bytes(picture, "PNG")
    return data_uri("image/png", data) if len(data) <= PNG_BYTES else data_uri("image/jpeg", jpeg(picture))


def fitted(picture: Image.Image, box: tuple[int, int], frame: Frame) -> Image.Image:
    if frame.fit == "pad":
        return ImageOps.pad(picture, box, color=frame.background)
    return ImageOps.fit(picture, box) if frame.fit == "crop" else picture.resize(box, Image.Resampling.BICUBIC)
