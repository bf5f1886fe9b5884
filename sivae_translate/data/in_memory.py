"""Domains of images that a program holds or makes: each image becomes a file in a temporary folder.

So images may be more than memory holds, all processes that read and augment share them, and everything that is known of
files holds for them.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from PIL import Image, ImageOps

from sivae_translate.data.domains import Domains, Folders, Source, find_domains, gather
from sivae_translate.data.given import opened
from sivae_translate.data.images import to_rgb
from sivae_translate.data.unreadable import UnreadableImage
from sivae_translate.errors import SivaeError, UsageError, one_line
from sivae_translate.names import names_a_folder

PREFIX = "sivae-translate-images-"  # of a temporary folder
TOGETHER = 1000  # files in a sub-folder
EXPECTED = 'expected an image and its domain, as in (image, "red") or {"image": image, "domain": "red"}'

Examples = Iterable[Any]
"""Pairs of an image and its domain, or mappings with these keys, as a `datasets` set has them.

An image is a path, the bytes of a file, a PIL image, uint8 `[H, W]` or `[H, W, 3 or 4]`, or a float tensor `[3, H, W]`
in [0, 1]. A domain is a name, or a whole number, which becomes one.
"""


@contextmanager
def found_in(domains: Folders | Examples) -> Iterator[Domains]:
    """The domains of folders, by `find_domains`, or of examples, whose files exist within the block."""
    if is_examples(domains):
        with domains_of(cast(Examples, domains)) as found:
            yield found
    else:
        yield find_domains(cast(Folders, domains))


def is_examples(domains: object) -> bool:
    """Whether these are examples, rather than a folder or several."""
    if isinstance(domains, str | bytes | Path) or not (
        isinstance(domains, Iterable) or hasattr(domains, "__getitem__")
    ):
        return False
    return not (isinstance(domains, Sequence) and all(isinstance(each, str | Path) for each in domains))


@contextmanager
def domains_of(examples: Examples) -> Iterator[Domains]:
    """The domains of examples, in files that exist within the block. Each example is asked for once.

    Equal examples in equal order give equal names of files, so a resumed run finds the same images.

    Raises:
        UsageError: no example, or one that is no image and domain, with its index.
        SivaeError: the files cannot be written.
    """
    with TemporaryDirectory(prefix=PREFIX) as name:
        folder = Path(name)
        try:
            found = sorted(_written(examples, folder))
        except OSError as error:
            reason = error.strerror or one_line(error)
            raise SivaeError(
                f"cannot write images to {folder.parent} ({reason}): free some space, or set TMPDIR to another folder"
            ) from error
        if not found:
            raise UsageError(f"domains held no image: {EXPECTED}")
        yield gather(Domains(folder, folder, (), (), (), (), labelled=True), found)


def _written(examples: Examples, folder: Path) -> Iterator[tuple[str, Source]]:
    """The domain and the file of each example."""
    for i, example in enumerate(examples):
        try:
            image, domain = _parts(example)
            if isinstance(image, str | Path):
                yield domain, Source(Path(image))
                continue
            data = image if isinstance(image, bytes) else _png(opened(image))
        except (UsageError, UnreadableImage) as error:
            raise UsageError(f"domains[{i}]: {error}") from None
        within = folder / str(i // TOGETHER)
        within.mkdir(exist_ok=True)
        path = within / f"{i}-{hashlib.sha256(data).hexdigest()[:16]}"
        path.write_bytes(data)
        yield domain, Source(path)


def _parts(example: Any) -> tuple[Any, str]:
    """The image and the domain's name of an example."""
    try:
        image, domain = (example["image"], example["domain"]) if isinstance(example, Mapping) else example
    except (KeyError, TypeError, ValueError):
        raise UsageError(f"a {type(example).__name__}: {EXPECTED}") from None
    name = domain if isinstance(domain, str) else str(domain)
    if isinstance(domain, bool) or not (isinstance(domain, str) or hasattr(domain, "__index__")):
        raise UsageError(f"a {type(domain).__name__} as domain: expected a name or a whole number")
    if not names_a_folder(name):
        raise UsageError(f"domain {name!r}: expected a name that a folder can have")
    return image, name


def _png(image: Image.Image) -> bytes:
    """An image as a PNG file that is read as the image would be; transparency is kept."""
    if image.has_transparency_data:
        image = ImageOps.exif_transpose(image.convert("RGBA"))  # the profile stays
    else:
        image = Image.fromarray(to_rgb(image))
    data = io.BytesIO()
    image.save(data, "PNG", compress_level=1)
    return data.getvalue()
