"""Read one untrusted JSON or safetensors file, or raise SivaeError with its path. Nothing is unpickled.

Sizes are checked before memory is taken: against a limit, against the manifest of a checkpoint, and against the header
of the tensors.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import safetensors.torch
import torch
from torch import Tensor

from sivae_translate.errors import SivaeError

MAX_JSON = 10_000_000  # bytes of a JSON file, and of the header of a safetensors file
PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl")
NEVER_UNPICKLED = "we never unpickle, since a pickle can run any code: ask for the weights as safetensors"
DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8,
    "BOOL": torch.bool,
}  # fmt: skip

Tensors = dict[str, Tensor]
Meta = dict[str, Any]
Manifest = Mapping[str, Any]
"""File name -> {"size": bytes, "sha256": hexadecimal}."""


class Header(NamedTuple):
    """The header of a safetensors file.

    Attributes:
        forms: tensors on the meta device, which have a type and a shape, but no memory.
        metadata: texts by name.
    """

    forms: Tensors
    metadata: dict[str, str]


def read_json(path: Path, manifest: Manifest | None = None) -> Meta:
    """The JSON object in a file of at most `MAX_JSON` bytes.

    Args:
        path: the file.
        manifest: lists the file with its size and sum; None for a file without a manifest.

    Raises:
        SivaeError: a missing or another file.
    """
    with _open(path, manifest, MAX_JSON) as file:
        data = _read(path, file, manifest)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, data, f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise SivaeError(f"{path}: expected a JSON object, not {type(value).__name__}")
    return value


def read_header(path: Path, manifest: Manifest | None = None) -> Header:
    """The header of a safetensors file, which agrees with the file's size. The tensors are not read."""
    with _open(path, manifest, None) as file:
        return _header(path, file)


def read_tensors(path: Path, manifest: Manifest | None = None, limit: int | None = None) -> Tensors:
    """The tensors of a safetensors file, on the CPU.

    Args:
        path, manifest: see `read_json`.
        limit: largest size of the file in bytes.

    Raises:
        SivaeError: a missing or another file, or a tensor that is not finite.
    """
    with _open(path, manifest, limit) as file:
        _header(path, file)
        data = _read(path, file, manifest)
    try:
        tensors = safetensors.torch.load(data)
    except Exception as error:  # of any type, as for other damaged files
        raise _damaged(path, data, f"truncated or corrupt: {error}") from error
    require_finite(str(path), tensors)
    return tensors


def require_finite(what: str, tensors: Mapping[str, Tensor]) -> None:
    """Raise SivaeError, which begins with `what`, for a tensor that holds NaN or infinity."""
    for name, value in tensors.items():
        if not value.isfinite().all():
            raise SivaeError(f"{what}: {name} holds NaN or infinity")


def _open(path: Path, manifest: Manifest | None, limit: int | None) -> BinaryIO:
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


def _read(path: Path, file: BinaryIO, manifest: Manifest | None) -> bytes:
    """The bytes of an open file, checked against the manifest. A file that grows meanwhile is not read on."""
    file.seek(0)
    data = file.read(os.fstat(file.fileno()).st_size)
    if manifest is not None and _listed(manifest, path.name, "sha256") != hashlib.sha256(data).hexdigest():
        raise _not_listed(path, data)
    return data


def _header(path: Path, file: BinaryIO) -> Header:
    size = os.fstat(file.fileno()).st_size
    start = file.read(64)
    try:
        length = int.from_bytes(start[:8], "little")  # the format begins with the length of its header
        if not 8 + length <= size or length > MAX_JSON:
            raise ValueError(f"a header of {length} bytes in a file of {size}")
        file.seek(8)
        header = json.loads(file.read(length))
        metadata = header.pop("__metadata__", {})
        forms = {name: _form(entry) for name, entry in header.items()}
        if 8 + length + sum(form.nbytes for form in forms.values()) != size:
            raise ValueError("the tensors of its header have another size")
    except Exception as error:  # of any type: keys may be missing, numbers too large
        raise _damaged(path, start, f"truncated or corrupt: {error}") from error
    return Header(forms, metadata)


def _form(entry: Mapping[str, Any]) -> Tensor:
    begin, end = entry["data_offsets"]
    form = torch.empty(entry["shape"], dtype=DTYPES[entry["dtype"]], device="meta")
    if end - begin != form.nbytes:
        raise ValueError(f"{end - begin} bytes for {entry['dtype']} {entry['shape']}")
    return form


def _listed(manifest: Manifest, name: str, key: str) -> object:
    entry = manifest.get(name)
    return entry.get(key) if isinstance(entry, dict) else None


def _not_listed(path: Path, start: bytes) -> SivaeError:
    return _damaged(path, start, "not the file that the manifest.json lists: truncated, damaged or changed since saved")


def _why_no_file(path: Path) -> str:
    pickles = sorted(file.name for file in path.parent.iterdir() if file.suffix in PICKLES)
    return f"no {path.name}" + (f", but {pickles[0]}: {NEVER_UNPICKLED}" if pickles else "")


def _damaged(path: Path, start: bytes, otherwise: str) -> SivaeError:
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
