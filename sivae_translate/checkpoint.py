"""Checkpoints: a directory of tensors (safetensors) and JSON, written atomically, read strictly, never unpickled."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
import torch
from torch import Tensor

from sivae_translate.atomic import (
    FORMAT,
    MANIFEST,
    atomic_directory,
    in_place,
    is_ours,
    read_manifest,
    sweep,
    write_bytes_atomic,
    write_text_atomic,
)
from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.untrusted import MAX_JSON, NEVER_UNPICKLED, PICKLES, Meta, read_json
from sivae_translate.untrusted_tensors import Tensors, read_header, read_tensors, require_finite

__all__ = [
    "MAX_JSON", "Files", "atomic_directory", "flatten_optimizer", "in_place", "load", "load_file", "load_into", "read",
    "read_json", "require_fit", "save", "save_file", "sweep", "unflatten_optimizer", "write_text_atomic",
]  # fmt: skip

# Largest magnitude of a weight. Adam moves a weight by about the learning rate at most: a million steps of 1e-2 give
# 1e4. Larger weights are finite, but their activations overflow or saturate, which gives black pictures.
MAX_WEIGHT = 1e6

T = TypeVar("T")


def save_file(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Replace the file at `path` by these tensors and metadata, atomically; see `write_text_atomic`.

    Raises:
        SivaeError: a tensor is not finite.
    """
    write_bytes_atomic(path, _tensor_bytes(f"{path}: not saved", tensors, metadata))


def load_file(path: Path, limit: int) -> tuple[Tensors, dict[str, str]]:
    """Tensors, on the CPU, and metadata of a safetensors file of at most `limit` bytes.

    Raises:
        SivaeError: a missing or another file.
    """
    return read_tensors(Path(path), limit=limit), read_header(Path(path)).metadata


def save(directory: Path, tensors: Mapping[str, Mapping[str, Tensor]], meta: Mapping[str, Mapping[str, Any]]) -> None:
    """Replace the checkpoint at `directory`.

    The new checkpoint holds `<name>.safetensors` for each of `tensors`, `<name>.json` for each of `meta`, and a
    manifest of their sizes and SHA-256 sums. Other files of the old checkpoint, such as notes, are kept.

    Raises:
        SivaeError: a tensor is not finite, `directory` holds something else than a checkpoint, or the directory
            cannot be written. An old checkpoint is kept.
    """
    directory = Path(directory)
    files = {f"{name}.safetensors": _tensor_bytes(f"{directory}: not saved", t) for name, t in tensors.items()}
    files |= {f"{name}.json": _json_bytes(value) for name, value in meta.items()}
    sums = {name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}
    files[MANIFEST] = _json_bytes({"format": FORMAT, "files": sums})
    try:
        _require_replaceable(directory)
        with atomic_directory(directory) as temporary:
            for name, data in files.items():
                (temporary / name).write_bytes(data)
    except OSError as error:
        raise _write_error(directory, error, sum(map(len, files.values()))) from error


class Files:
    """The files of a checkpoint, checked against its manifest. Each method raises SivaeError, with the path first."""

    def __init__(self, directory: Path) -> None:
        if not directory.is_dir():
            raise UsageError(f"{directory}: {_why_no_directory(directory)}")
        self.directory, self.manifest = directory, read_manifest(directory)

    def json(self, name: str) -> Meta:
        """The JSON object of this name."""
        return read_json(self.directory / f"{name}.json", self.manifest)

    def forms(self, name: str) -> Tensors:
        """The tensors of this name on the meta device, without their values, which are not read."""
        return read_header(self.directory / f"{name}.safetensors", self.manifest).forms

    def tensors(self, name: str) -> Tensors:
        """The tensors of this name, on the CPU, all finite."""
        return read_tensors(self.directory / f"{name}.safetensors", self.manifest)


def read(directory: Path, reader: Callable[[Files], T]) -> T:
    """The result of `reader` for the checkpoint at `directory`; called again where the checkpoint has been replaced.

    Raises:
        SivaeError: a file is missing, damaged, changed, of a newer format or of another type, or a tensor is not
            finite. The message starts with the path.
    """
    directory = Path(directory)
    while True:
        before = _identity(directory)
        try:
            files = Files(in_place(directory))
            result = reader(files)
            if files.manifest is None and _identity(directory) != before:
                continue  # the manifest was missed as the checkpoint was replaced, so nothing vouches for the files
            return result
        except (SivaeError, OSError) as error:
            if _identity(directory) != before:  # another process has replaced the checkpoint: read the new one
                continue
            if isinstance(error, SivaeError):
                raise
            raise SivaeError(f"{error.filename or directory}: {error.strerror or error}") from error


def load(
    directory: Path, names: Sequence[str], metas: Sequence[str]
) -> tuple[dict[str, Tensors], dict[str, dict[str, Any]]]:
    """The tensors, on the CPU, and the JSON objects of these names in a checkpoint. Raises SivaeError; see `read`."""
    return read(
        directory,
        lambda files: ({name: files.tensors(name) for name in names}, {meta: files.json(meta) for meta in metas}),
    )


def load_into(module: torch.nn.Module, tensors: Mapping[str, Tensor], what: str) -> None:
    """Copy the tensors into the module's parameters and buffers. Names, shapes and float or integer types must agree.

    A module on the meta device gets memory on the CPU.

    Raises:
        SivaeError: tensors that do not agree, or a value above `MAX_WEIGHT`; the message begins with `what`. Nothing
            has been copied.
    """
    require_fit(module, tensors, what)
    own = module.state_dict()
    on_meta = any(value.is_meta for value in own.values())
    cast = {name: tensors[name].to(value.dtype, copy=on_meta) for name, value in own.items()}
    for name, value in cast.items():
        if value.is_floating_point() and not value.abs().le(MAX_WEIGHT).all():
            raise SivaeError(f"{what}: {name} holds values above {MAX_WEIGHT:g}, which no training gives: train again")
    # Module.to_empty would load torch's symbolic shapes and SymPy, which takes a second.
    module.load_state_dict(cast, assign=on_meta)


def require_fit(module: torch.nn.Module, tensors: Mapping[str, Tensor], what: str) -> None:
    """Raise SivaeError where names, shapes or types differ from the module's; both may be on the meta device.

    The message names 5 differences after `what`.
    """
    own = module.state_dict()
    wrong = [f"{name} is missing" for name in own if name not in tensors]
    wrong += [f"{name} is unexpected" for name in tensors if name not in own]
    wrong += [
        f"{name} is {_form(tensors[name])}, expected {_form(value)}"
        for name, value in own.items()
        if name in tensors and not _fits(tensors[name], value)
    ]
    if wrong:
        more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise SivaeError(f"{what}: does not fit the model: {'; '.join(wrong[:5])}{more}")


def flatten_optimizer(state_dict: Mapping[str, Any]) -> tuple[Tensors, Meta]:
    """A torch optimizer's state_dict as tensors "state.<i>.<name>" and settings that JSON can hold."""
    entries = {f"state.{i}.{name}": value for i, state in state_dict["state"].items() for name, value in state.items()}
    tensors = {key: value for key, value in entries.items() if isinstance(value, Tensor)}
    scalars = {key: value for key, value in entries.items() if key not in tensors}
    return tensors, {"param_groups": state_dict["param_groups"], "scalars": scalars}


def unflatten_optimizer(tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `flatten_optimizer`, also for a `meta` that was written to JSON and read again.

    Raises:
        SivaeError: not the result of `flatten_optimizer`.
    """
    state: dict[int, dict[str, Any]] = {}
    try:
        for key, value in {**meta["scalars"], **tensors}.items():
            _, i, name = key.split(".", 2)
            state.setdefault(int(i), {})[name] = value
        groups = [dict(group) for group in meta["param_groups"]]
        for group in groups:
            lists = {key for key, value in group.items() if isinstance(value, list)} - {"params"}
            group.update({key: tuple(group[key]) for key in lists})  # JSON turns tuples, such as betas, into lists
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SivaeError("not the state of an optimizer") from error
    return {"state": state, "param_groups": groups}


def _tensor_bytes(what: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    copies = {  # safetensors accepts no tensors that share memory or are not contiguous
        name: value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, value in tensors.items()
    }
    require_finite(what, copies)
    return safetensors.torch.save(copies, None if metadata is None else dict(metadata))


def _json_bytes(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def _require_replaceable(directory: Path) -> None:
    """Raise SivaeError for a directory that holds something else than a checkpoint."""
    while (before := _identity(directory)) is not None:
        try:
            if is_ours(directory) or not os.listdir(directory):
                return
        except FileNotFoundError:
            continue
        if _identity(directory) == before:  # else another process is replacing it
            raise SivaeError(
                f"{directory}: holds something else than a checkpoint, which is never replaced: choose another folder"
            )


def _write_error(directory: Path, error: OSError, size: int) -> SivaeError:
    if error.errno != errno.ENOSPC:
        return SivaeError(f"{directory}: not saved: {error.strerror or error}")
    place = next(parent for parent in directory.absolute().parents if parent.is_dir())
    free = shutil.disk_usage(place).free
    return SivaeError(
        f"no space left on device: need about {-(-size // 10**6)} MB, {free // 10**6} MB free at {place}; "
        "free some space or choose another --out"
    )


def _identity(directory: Path) -> tuple[int, int] | None:
    """Inode and modification time, which change when another directory replaces this one; None for no directory."""
    try:
        status = directory.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _why_no_directory(path: Path) -> str:
    if not path.exists():
        return "no such directory"
    if path.suffix in PICKLES:
        return f"not a checkpoint: {NEVER_UNPICKLED}"
    return "not a directory; give the one that holds the checkpoint's files"


def _fits(value: Tensor, own: Tensor) -> bool:
    return value.shape == own.shape and value.is_floating_point() == own.is_floating_point()


def _form(value: Tensor) -> str:
    return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
