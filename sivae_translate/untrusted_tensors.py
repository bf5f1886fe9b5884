"""Read one untrusted safetensors file, or raise SivaeError with its path. Nothing is unpickled.

Sizes are checked before memory is taken, also against the header of the tensors.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import safetensors.torch
import torch
from torch import Tensor

from sivae_translate.errors import SivaeError
from sivae_translate.untrusted import MAX_JSON, Manifest, damaged, open_checked, read_checked

DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8,
    "BOOL": torch.bool,
}  # fmt: skip

Tensors = dict[str, Tensor]


class Header(NamedTuple):
    """The header of a safetensors file.

    Attributes:
        forms: tensors on the meta device, which have a type and a shape, but no memory.
        metadata: texts by name.
    """

    forms: Tensors
    metadata: dict[str, str]


def read_header(path: Path, manifest: Manifest | None = None) -> Header:
    """The header of a safetensors file, which agrees with the file's size. The tensors are not read."""
    with open_checked(path, manifest, None) as file:
        return _header(path, file)


def read_tensors(path: Path, manifest: Manifest | None = None, limit: int | None = None) -> Tensors:
    """The tensors of a safetensors file, on the CPU.

    Args:
        path, manifest: see `read_json`.
        limit: largest size of the file in bytes.

    Raises:
        SivaeError: a missing or another file, or a tensor that is not finite.
    """
    with open_checked(path, manifest, limit) as file:
        _header(path, file)
        data = read_checked(path, file, manifest)
    try:
        tensors = safetensors.torch.load(data)
    except Exception as error:  # of any type, as for other damaged files
        raise damaged(path, data, f"truncated or corrupt: {error}") from error
    require_finite(str(path), tensors)
    return tensors


def require_finite(what: str, tensors: Mapping[str, Tensor]) -> None:
    """Raise SivaeError, which begins with `what`, for a tensor that holds NaN or infinity."""
    for name, value in tensors.items():
        if not value.isfinite().all():
            raise SivaeError(f"{what}: {name} holds NaN or infinity")


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
        raise damaged(path, start, f"truncated or corrupt: {error}") from error
    return Header(forms, metadata)


def _form(entry: Mapping[str, Any]) -> Tensor:
    begin, end = entry["data_offsets"]
    form = torch.empty(entry["shape"], dtype=DTYPES[entry["dtype"]], device="meta")
    if end - begin != form.nbytes:
        raise ValueError(f"{end - begin} bytes for {entry['dtype']} {entry['shape']}")
    return form
