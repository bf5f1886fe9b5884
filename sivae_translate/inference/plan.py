"""Output names for the images of a folder tree, each different, with sub-folders and names kept."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from pathlib import Path
from typing import Any, NamedTuple

from sivae_translate.data.listing import LeftOut
from sivae_translate.errors import UsageError
from sivae_translate.inference.inputs import list_inputs

SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "png": {"compress_level": 1},  # lossless at any level; higher levels would take most of the time
    "jpg": {"quality": 95},
    "webp": {"quality": 95},
}


class Plan(NamedTuple):
    """Pairs (input, output relative to a target's folder), and the files that are no inputs."""

    outputs: list[tuple[Path, Path]]
    left_out: list[LeftOut]


def plan(source: Path, out: Path, format: str) -> Plan:
    """An output for every image of `source`, with different outputs. Files below `out` are no inputs.

    The name of an output depends on its input alone: photo.jpg becomes photo.jpg.png, and photo.png keeps its name.
    Outputs must differ even without regard to case, so the later one of photo.jpg and photo.jpg.png, or of A.png and
    a.png, gets a hash of its path below `source` too.

    Raises:
        UsageError: no image, no such format, or an `out` that is a file or holds the inputs.
    """
    if format not in SAVE_OPTIONS:
        raise UsageError(f"format {format!r}: expected one of {', '.join(SAVE_OPTIONS)}")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file: expected a folder for the translations; choose another with --out")
    base = source if source.is_dir() else source.parent
    if out.resolve() in (base.resolve(), *base.resolve().parents):
        raise UsageError(f"{out} holds the inputs, and they are never overwritten: choose another with --out")
    images, left_out = list_inputs(source, outside=out)
    inputs = [(path, path.relative_to(base)) for path in images]
    taken = {folded(folder) for _, relative in inputs for folder in relative.parents}
    outputs = []
    for path, relative in inputs:
        output = output_of(relative, format)
        while folded(output) in taken:
            output = output.with_name(f"{output.stem}-{short_hash(relative)}{output.suffix}")
        taken.add(folded(output))
        outputs.append((path, output))
    return Plan(outputs, left_out)


def output_of(relative: Path, format: str) -> Path:
    """The output of an input: the input's name if that has the format's suffix, else the name with the suffix."""
    return relative if format_of(relative) == format else relative.with_name(f"{relative.name}.{format}")


def format_of(output: Path) -> str:
    """The key of `SAVE_OPTIONS` for an output's suffix; another text for another suffix."""
    suffix = output.suffix[1:].lower()
    return "jpg" if suffix == "jpeg" else suffix


def folded(path: Path) -> str:
    """A path as file systems see it that ignore case and the composition of accents."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", str(path)).casefold())


def short_hash(relative: Path) -> str:
    return hashlib.sha256(os.fsencode(relative.as_posix())).hexdigest()[:8]
