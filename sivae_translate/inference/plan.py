"""Output names for the images of a folder tree, each different, with sub-folders and names kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sivae_translate.data.listing import list_images, shown
from sivae_translate.errors import UsageError

SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "png": {"compress_level": 1},  # lossless at any level; higher levels would take most of the time
    "jpg": {"quality": 95},
    "webp": {"quality": 95},
}


def plan(source: Path, out: Path, format: str) -> list[tuple[Path, Path]]:
    """(input, output relative to a target's folder) for every image of `source`, with different outputs.

    Outputs differ even without regard to case. Images below `out` are no inputs.

    Raises:
        UsageError: no image, no such format, or an `out` that is a file or holds the inputs.
    """
    if format not in SAVE_OPTIONS:
        raise UsageError(f"format {format!r}: expected one of {', '.join(SAVE_OPTIONS)}")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file: expected a folder for the translations; choose another with --out")
    base = source if source.is_dir() else source.parent
    inside, real = out.resolve(), base.resolve()
    if inside == real:
        raise UsageError(f"{out} is where the inputs are, and they are never overwritten: choose another with --out")
    inputs = [path for path in list_images(source) if inside not in (real / path.relative_to(base)).parents]
    if not inputs:
        raise UsageError(f"{shown(source)} holds no image: expected an image or a folder of images")
    taken: set[str] = set()
    planned = []
    for path in inputs:
        output = path.relative_to(base).with_suffix(f".{format}")
        name = path.name
        while str(output).lower() in taken:  # of photo.jpg and photo.png, the second keeps its suffix in the name
            output = output.with_name(name := f"{name}.{format}")
        taken.add(str(output).lower())
        planned.append((path, output))
    return planned
