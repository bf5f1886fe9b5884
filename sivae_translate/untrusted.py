"""Read one untrusted file, such as JSON, or raise SivaeError with its path. Nothing is unpickled.

Sizes are checked before memory is taken: against a limit, and against the manifest of a checkpoint. Torch is not
imported, since the command line's start does not wait for it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from sivae_translate.errors import SivaeError

MAX_JSON = 10_000_000  # bytes of a JSON file, and of the header of a safetensors file
PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl")
NEVER_UNPICKLED = "we never unpickle, since a pickle can run any code: ask for the weights as safetensors"

Meta = dict[str, Any]
Manifest = Mapping[str, Any]
"""File name -> {"size": bytes, "sha256": hexadecimal}."""


def read_json(path: Path, manifest: Manifest | None = None) -> Meta:
    """The JSON object in a file of at most `MAX_JSON` bytes.

    Args:
        path: the file.
        manifest: lists the file with its size and sum; None for a file without a manifest.

    Raises:
        SivaeError: a missing or another file.
    """
    with open_checked(path, manifest, MAX_JSON) as file:
        data = read_checked(path, file, manifest)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise damaged(path, data, f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise SivaeError(f"{path}: expected a JSON object, not {type(value).__name__}")
    return value


def open_checked(path: Path, manifest: Manifest | None, limit: int | None) -> BinaryIO:
    """Open a file whose size the manifest and the limit allow."""
    if not path.is_file():
        raise SivaeError(f"{path.parent}: {_why_no_file(path)}")
    file = path.open("rb")
    try:
        size = os.fstat(file.fileno()).st_size
        if manifest is not None and _listed(manifest, path.name, "size") != size:
            raise _not_listed(path, file.read(64))
        if limit is not None and size > limit:
            raise SivaeError(f"{path}: too large: more than {limit // 10**6} MB")
    except BaseException:
        file.close()
        raise
    return file


def read_checked(path: Path, file: BinaryIO, manifest: Manifest | None) -> bytes:
    """The bytes of an open file, checked against the manifest. A file that grows meanwhile is not read on."""
    file.seek(0)
    data = file.read(os.fstat(file.fileno()).st_size)
    if manifest is not None and _listed(manifest, path.name, "sha256") != hashlib.sha256(data).hexdigest():
        raise _not_listed(path, data)
    return data


def _listed(manifest: Manifest, name: str, key: str) -> object:
    entry = manifest.get(name)
    return entry.get(key) if isinstance(entry, dict) else None


def _not_listed(path: Path, start: bytes) -> SivaeError:
    return damaged(path, start, "not the file that the manifest.json lists: truncated, damaged or changed since saved")


def _why_no_file(path: Path) -> str:
    pickles = sorted(file.name for file in path.parent.iterdir() if file.suffix in PICKLES)
    return f"no {path.name}" + (f", but {pickles[0]}: {NEVER_UNPICKLED}" if pickles else "")


def damaged(path: Path, start: bytes, otherwise: str) -> SivaeError:
    """The error for a file that cannot be used; its first bytes may give the reason, else `otherwise` does."""
    begins = start[:64].lstrip().lower()
    if not start:
        reason = "empty file"
    elif begins.startswith(b"version https://git-lfs"):
        reason = "a git-lfs pointer, not the file itself: run git lfs pull"
    elif begins.startswith((b"<!doctype", b"<html")):
        reason = "a web page, not the file itself: download it again"
    elif re.match(rb"PK\x03\x04|\x80[\x02-\x05][^\x00]", start):  # before \x00 the bytes may be the length of a header
        reason = f"a pickle: {NEVER_UNPICKLED}"
    else:
        reason = " ".join(otherwise.split())
    return SivaeError(f"{path}: {reason}")
