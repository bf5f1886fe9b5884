"""Folders of files and of images, and the manifests of their translations."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from sivae_translate.inference.manifest import MANIFEST


def tree(root: Path, *names: str) -> Path:
    """A folder of empty files."""
    root.mkdir(exist_ok=True)
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def images(folder: Path, *names: str) -> Path:
    """A folder of small images that all differ."""
    for i, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image(path, i)
    return folder


def image(path: Path, number: int) -> None:
    """Write the image of a number, as a PNG file whatever the name."""
    Image.new("RGB", (20, 20), (9 * number % 256, number % 256, 80)).save(path, "png")


def rows(out: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (out / MANIFEST).read_text(encoding="ascii").splitlines()]


def statuses(out: Path) -> dict[str, str]:
    """The status of each input by its name, for a single target."""
    return {Path(row["input"]).name: row["status"] for row in rows(out)}
