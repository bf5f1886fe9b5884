"""Checkpoints: a directory of tensors (safetensors) and JSON, written atomically, read strictly, never unpickled.

A new directory is written under a temporary name and then renamed. During the exchange the old directory is called
`.old-<name>`. A reader that finds no directory reads `.old-<name>`, and after a crash `sweep` renames it back.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from sivae_translate.errors import SivaeError, UsageError

FORMAT = 1
MANIFEST = "manifest.json"
MAX_JSON = 10_000_000  # bytes
PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl")
NEVER_UNPICKLED = "we never unpickle, since a pickle can run any code: ask for the weights as safetensors"

Tensors = dict[str, Tensor]
Meta = dict[str, Any]


@contextmanager
def atomic_directory(final: Path) -> Iterator[Path]:
    """A new directory, which replaces `final` when the block ends, and is deleted when the block raises.

    After a crash at any time, `final` is the complete old or new directory, or `final` is missing and the old directory
    is called `.old-<name>`. The files of the old directory are deleted. New files get the mode of the umask.
    """
    final = Path(final).resolve()  # the rename must not cross file systems where `final` is a link
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(final)
    temporary.mkdir()
    try:
        yield temporary
        _flush(temporary)
        _replace(temporary, final)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def write_text_atomic(path: Path, text: str) -> None:
    """Replace the file at `path` by this text, in UTF-8. After a crash the file holds the old or the new text."""
    _write_atomic(path, text.encode())


def save_file(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Replace the file at `path` by these tensors and metadata, atomically, as in `write_text_atomic`.

    Raises:
        SivaeError: a tensor is not finite.
    """
    _write_atomic(path, _tensor_bytes(f"{path}: not saved", tensors, metadata))


def load_file(path: Path) -> tuple[Tensors, dict[str, str]]:
    """Tensors, on the CPU, and metadata of a safetensors file. Raises SivaeError for a missing or another file."""
    data = _read(Path(path), None)
    tensors = _parse_tensors(path, data)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])  # the format's first 8 bytes are its length
    return tensors, header.get("__metadata__", {})


def save(directory: Path, tensors: Mapping[str, Mapping[str, Tensor]], meta: Mapping[str, Mapping[str, Any]]) -> None:
    """Replace the checkpoint at `directory`.

    The new checkpoint holds `<name>.safetensors` for each of `tensors`, `<name>.json` for each of `meta`, and a
    manifest of their sizes and SHA-256 sums.

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
        if directory.exists() and os.listdir(directory) and not (directory / MANIFEST).exists():
            raise SivaeError(f"{directory}: holds something else than a checkpoint, which saving would delete")
        with atomic_directory(directory) as temporary:
            for name, data in files.items():
                (temporary / name).write_bytes(data)
    except OSError as error:
        raise _write_error(directory, error, sum(map(len, files.values()))) from error


def load(
    directory: Path, names: Sequence[str], metas: Sequence[str]
) -> tuple[dict[str, Tensors], dict[str, dict[str, Any]]]:
    """The tensors, on the CPU, and the JSON objects of these names in a checkpoint, checked against its manifest.

    Raises:
        SivaeError: a file is missing, damaged, changed, of a newer format or of another type, or a tensor is not
            finite. The message starts with the path.
    """
    directory = Path(directory)
    while True:
        before = _identity(directory)
        try:
            return _load(_in_place(directory), names, metas)
        except (SivaeError, OSError) as error:
            if _identity(directory) != before:  # another process has replaced the checkpoint: read the new one
                continue
            if isinstance(error, SivaeError):
                raise
            raise SivaeError(f"{error.filename or directory}: {error.strerror or error}") from error


def read_json(path: Path) -> Meta:
    """The JSON object in a small file. Raises SivaeError for a missing or another file."""
    return _read_json(Path(path), None)


def load_into(module: torch.nn.Module, tensors: Mapping[str, Tensor], what: str) -> None:
    """Copy the tensors into the module's parameters and buffers. Names, shapes and float or integer types must agree.

    Raises:
        SivaeError: tensors that do not agree, of which 5 are named after `what`. Nothing has been copied.
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
    module.load_state_dict(dict(tensors))


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


def sweep(parent: Path) -> None:
    """Delete the temporary files of killed processes in `parent`, and rename `.old-<name>` back to `<name>`.

    The call must come before this process writes to `parent`.
    """
    for path in sorted(Path(parent).glob(".tmp-*")):
        match = re.fullmatch(r"\.tmp-.+-(\d{1,9})-[0-9a-f]{8}", path.name)
        if not match or _runs(int(match[1])):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    for old in sorted(path for path in Path(parent).glob(".old-?*") if path.is_dir()):
        final = old.with_name(old.name.removeprefix(".old-"))
        if final.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.rename(old, final)


def _temporary(final: Path) -> Path:
    return final.with_name(f".tmp-{final.name}-{os.getpid()}-{secrets.token_hex(4)}")


def _old(final: Path) -> Path:
    return final.with_name(f".old-{final.name}")


def _write_atomic(path: Path, data: bytes) -> None:
    path = Path(path).resolve()
    temporary = _temporary(path)
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _fsync(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _flush(temporary: Path) -> None:
    """Flush a directory to the disk. Its files get the mode of the umask, as some writers make them private."""
    mode = temporary.stat().st_mode & 0o666  # follows from the umask, which os.umask can only read by changing it
    for path in temporary.rglob("*"):
        if path.is_file():
            path.chmod(mode)
        _fsync(path)
    _fsync(temporary)


def _replace(temporary: Path, final: Path) -> None:
    """Rename a directory to `final`. No portable call exchanges two directories atomically."""
    while True:
        try:
            os.rename(temporary, final)
            break
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        shutil.rmtree(_old(final), ignore_errors=True)  # left by a crash; `final` exists, so the old one is obsolete
        os.rename(final, _old(final))
    _fsync(final.parent)
    shutil.rmtree(_old(final), ignore_errors=True)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _runs(pid: int) -> bool:
    """Whether another process with this id runs. This process's own id, which recurs in containers, does not count."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # the process of another user
        return True
    return True


def _tensor_bytes(what: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    copies = {  # safetensors accepts no tensors that share memory or are not contiguous
        name: value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, value in tensors.items()
    }
    _require_finite(what, copies)
    return safetensors.torch.save(copies, None if metadata is None else dict(metadata))


def _json_bytes(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def _write_error(directory: Path, error: OSError, size: int) -> SivaeError:
    if error.errno != errno.ENOSPC:
        return SivaeError(f"{directory}: not saved: {error.strerror or error}")
    place = next(parent for parent in directory.absolute().parents if parent.is_dir())
    free = shutil.disk_usage(place).free
    return SivaeError(
        f"no space left on device: need about {-(-size // 10**6)} MB, {free // 10**6} MB free at {place}; "
        "free some space or choose another --out"
    )


def _in_place(directory: Path) -> Path:
    """The directory, or `.old-<name>` where a writer is replacing the directory or was killed while doing so."""
    old = _old(directory.resolve())
    return old if old.is_dir() and not directory.exists() else directory


def _identity(directory: Path) -> tuple[int, int] | None:
    """Inode and modification time, which change when another directory replaces this one; None for no directory."""
    try:
        status = directory.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _load(
    directory: Path, names: Sequence[str], metas: Sequence[str]
) -> tuple[dict[str, Tensors], dict[str, dict[str, Any]]]:
    if not directory.is_dir():
        raise UsageError(f"{directory}: {_why_no_directory(directory)}")
    manifest = _manifest(directory)
    tensors = {name: _read_tensors(directory / f"{name}.safetensors", manifest) for name in names}
    meta = {name: _read_json(directory / f"{name}.json", manifest) for name in metas}
    return tensors, meta


def _why_no_directory(path: Path) -> str:
    if not path.exists():
        return "no such directory"
    if path.suffix in PICKLES:
        return f"not a checkpoint: {NEVER_UNPICKLED}"
    return "not a directory; give the one that holds the checkpoint's files"


def _manifest(directory: Path) -> dict[str, Any] | None:
    """File name -> size and SHA-256. None: there is no manifest, as for files copied by hand."""
    path = directory / MANIFEST
    if not path.exists():
        return None
    manifest = _read_json(path, None)
    version, files = manifest.get("format"), manifest.get("files")
    if type(version) is int and version > FORMAT:
        raise SivaeError(f"{path}: format {version} is newer than {FORMAT}, the one known here: update sivae-translate")
    if version != FORMAT or not isinstance(files, dict):
        raise SivaeError(f"{path}: not the manifest of a checkpoint")
    return files


def _read_tensors(path: Path, manifest: dict[str, Any] | None) -> Tensors:
    return _parse_tensors(path, _read(path, manifest))


def _parse_tensors(path: Path, data: bytes) -> Tensors:
    try:
        tensors = safetensors.torch.load(data)
        _require_finite(str(path), tensors)
    except SivaeError:
        raise
    except Exception as error:  # of any type: a dtype unknown to torch raises KeyError
        raise _damaged(path, data, f"truncated or corrupt: {error}") from error
    return tensors


def _read_json(path: Path, manifest: dict[str, Any] | None) -> dict[str, Any]:
    data = _read(path, manifest, MAX_JSON)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, data, f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise SivaeError(f"{path}: expected a JSON object, not {type(value).__name__}")
    return value


def _read(path: Path, manifest: dict[str, Any] | None, limit: int | None = None) -> bytes:
    """The bytes of a file, checked against the manifest. The file is read once, so the checked bytes are returned."""
    if not path.is_file():
        raise SivaeError(f"{path.parent}: {_why_no_file(path)}")
    if limit is not None and path.stat().st_size > limit:
        raise SivaeError(f"{path}: too large: more than {limit // 10**6} MB")
    data = path.read_bytes()
    if manifest is not None:
        sums = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        if manifest.get(path.name) != sums:
            raise _damaged(path, data, f"not the file that {MANIFEST} lists: truncated, damaged or changed since saved")
    return data


def _why_no_file(path: Path) -> str:
    pickles = sorted(file.name for file in path.parent.iterdir() if file.suffix in PICKLES)
    return f"no {path.name}" + (f", but {pickles[0]}: {NEVER_UNPICKLED}" if pickles else "")


def _damaged(path: Path, data: bytes, otherwise: str) -> SivaeError:
    """The error for a file that cannot be used; the first bytes may give the reason, else `otherwise` does."""
    start = data[:64].lstrip().lower()
    if not data:
        reason = "empty file"
    elif start.startswith(b"version https://git-lfs"):
        reason = "a git-lfs pointer, not the file itself: run git lfs pull"
    elif start.startswith((b"<!doctype", b"<html")):
        reason = "a web page, not the file itself: download it again"
    elif re.match(rb"PK\x03\x04|\x80[\x02-\x05][^\x00]", data):  # before \x00 the bytes may be the length of a header
        reason = f"a pickle: {NEVER_UNPICKLED}"
    else:
        reason = " ".join(otherwise.split())
    return SivaeError(f"{path}: {reason}")


def _require_finite(what: str, tensors: Mapping[str, Tensor]) -> None:
    for name, value in tensors.items():
        if not value.isfinite().all():
            raise SivaeError(f"{what}: {name} holds NaN or infinity")


def _fits(value: Tensor, own: Tensor) -> bool:
    return value.shape == own.shape and value.is_floating_point() == own.is_floating_point()


def _form(value: Tensor) -> str:
    return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
