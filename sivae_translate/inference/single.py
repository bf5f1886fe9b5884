"""Translate one image to one file, by the same stages as a folder."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sivae_translate.data.listing import IMAGE_SUFFIXES, NOT_READ
from sivae_translate.errors import SivaeError, UsageError, shown
from sivae_translate.inference.folder import Summary, translate_folder
from sivae_translate.inference.plan import SAVE_OPTIONS, format_of
from sivae_translate.inference.translator import Translator
from sivae_translate.reports import require_writable


def is_file_name(out: Path) -> bool:
    """Whether a path is meant as a picture: one with a picture's suffix that is no folder."""
    return not out.is_dir() and out.suffix.lower() in {*IMAGE_SUFFIXES, *NOT_READ}


def translate_file(
    translator: Translator,
    source: Path,
    out: Path,
    *,
    to: list[str],
    style: Path | None,
    styles: int | None,
    share: str | None,
    **options: Any,
) -> Summary:
    """Translate an image to the new file `out`, in the format of its suffix.

    Args:
        options: as for `translate_folder`.

    Raises:
        UsageError: as `translate_folder`; a folder as the source, several targets, a share, or an `out` that exists or
            has another suffix.
        SivaeError: the image was not translated, for the reason given.
    """
    count = 1 if style is not None else len(set(to) or translator.domains) * (styles or 1)
    if format_of(out) not in SAVE_OPTIONS:
        raise UsageError(f"{shown(out)}: expected a name that ends in .png, .jpg or .webp, or a folder, for --out")
    if source.is_dir() or share is not None:
        given = f"{shown(source)} is a folder" if source.is_dir() else f"--share {share} is for folders"
        raise UsageError(f"--out {shown(out)} is one file, and {given}: choose a folder with --out")
    if count > 1:
        fix = "choose one domain with --to" if styles is None else "leave out --styles"
        raise UsageError(f"--out {shown(out)} is one file for {count} translations: {fix}, or a folder with --out")
    require_writable(out.parent)
    with TemporaryDirectory(prefix=".tmp-", dir=out.parent) as scratch:
        folder, how = Path(scratch) / "out", {"to": to, "style": style, "styles": styles, **options}
        summary = translate_folder(translator, source, folder, format=format_of(out), **how)
        written = [path for path in folder.rglob("*") if format_of(path) == format_of(out)]
        if not written:
            reasons = "; ".join(each.reason for each in summary.reasons)
            raise SivaeError(f"{shown(source)} was not translated ({reasons}): nothing is written to {shown(out)}")
        os.replace(written[0], out)
    return summary
