"""Checkpoints: whole whenever the process dies, bit-identical when loaded, an error when damaged."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import traceback
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from sivae_translate import checkpoint
from sivae_translate.atomic import HOST, read_manifest
from sivae_translate.checkpoint import (
    MAX_JSON,
    MAX_WEIGHT,
    atomic_directory,
    flatten_optimizer,
    load,
    load_into,
    save,
    sweep,
    unflatten_optimizer,
    write_text_atomic,
)
from sivae_translate.errors import SivaeError

ROOT = Path(checkpoint.__file__).parents[1]
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1234\n"
HTML = b"\n<!DOCTYPE html><html><body>Sign in</body></html>"


def weights(value: float = 1.0) -> dict[str, Tensor]:
    return {"w": torch.full((2, 3), value), "n": torch.tensor(7)}


def saved(directory: Path, value: float = 1.0) -> Path:
    save(directory, {"model": weights(value)}, {"config": {"value": value}})
    return directory


def value_of(directory: Path) -> float:
    """The value that `saved` wrote; an error where tensors and JSON are of two saves."""
    tensors, meta = load(directory, ["model"], ["config"])
    assert tensors["model"]["w"].eq(meta["config"]["value"]).all()
    return float(meta["config"]["value"])


def error(call: Callable[..., Any], *args: Any) -> str:
    with pytest.raises(SivaeError) as caught:
        call(*args)
    message = str(caught.value)
    assert "\n" not in message
    return message


def load_error(directory: Path) -> str:
    return error(load, directory, ["model"], ["config"])


def listing(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def rewritten(directory: Path, name: str, data: bytes) -> None:
    """Replace the content of a file and delete the manifest."""
    (directory / name).write_bytes(data)
    (directory / "manifest.json").unlink(missing_ok=True)


@pytest.fixture
def umask() -> Iterator[int]:
    before = os.umask(0o027)
    yield 0o027
    os.umask(before)


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    odd = {
        "transposed": base.t(),
        "slice": base[:, 1:3],
        "expanded": base[:1].expand(5, 4),
        "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "tied": base,
        "tied again": base,
        "trained": nn.Parameter(torch.randn(3)),
        "half": torch.randn(3).bfloat16(),
        "scalar": torch.tensor(0.1, dtype=torch.float64),
        "empty": torch.zeros(0, 3),
        "bytes": torch.get_rng_state(),
        "flag": torch.tensor([True, False]),
    }
    meta = {"config": {"name": "é\udcff", "list": [1, 2.5, None, True], "nested": {"x": 1e-7}}, "progress": {}}
    save(tmp_path / "deep" / "run", {"model": odd, "nothing": {}}, meta)
    tensors, loaded = load(tmp_path / "deep" / "run", ["model", "nothing"], ["config", "progress"])
    assert loaded == meta and tensors["nothing"] == {}
    assert tensors["model"].keys() == odd.keys()
    for name, value in odd.items():
        got = tensors["model"][name]
        assert got.dtype == value.dtype and got.device.type == "cpu" and torch.equal(got, value), name
        got.zero_()  # owned: neither a read-only view of the file nor the tensor that was saved
    assert base.sum() == 66
    assert listing(tmp_path / "deep" / "run") == {
        "model.safetensors", "nothing.safetensors", "config.json", "progress.json", "manifest.json",
    }  # fmt: skip
    assert load(tmp_path / "deep" / "run", [], ["config"]) == ({}, {"config": meta["config"]})


def test_a_checkpoint_copied_by_hand_needs_no_manifest(tmp_path: Path) -> None:
    saved(tmp_path / "model")
    (tmp_path / "model" / "manifest.json").unlink()
    assert value_of(tmp_path / "model") == 1


def test_a_replaced_checkpoint_holds_no_file_of_the_old(tmp_path: Path) -> None:
    save(tmp_path / "model", {"model": weights(), "extra": weights()}, {"config": {}})
    saved(tmp_path / "model", 2.0)
    assert listing(tmp_path / "model") == {"model.safetensors", "config.json", "manifest.json"}
    assert listing(tmp_path) == {"model"}
    assert value_of(tmp_path / "model") == 2


def test_a_link_is_followed_not_replaced(tmp_path: Path) -> None:
    saved(tmp_path / "disk" / "model")
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "model")
    saved(tmp_path / "link", 2.0)
    assert (tmp_path / "link").is_symlink()
    assert value_of(tmp_path / "link") == value_of(tmp_path / "disk" / "model") == 2


def test_a_folder_of_other_files_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").touch()
    message = error(saved, tmp_path / "photos")
    assert message.startswith(str(tmp_path / "photos"))
    assert listing(tmp_path / "photos") == {"me.jpg"}
    (tmp_path / "empty").mkdir()
    assert value_of(saved(tmp_path / "empty")) == 1
    (tmp_path / "file").touch()
    assert error(saved, tmp_path / "file").startswith(str(tmp_path / "file"))


def test_files_get_the_mode_of_the_umask(tmp_path: Path, umask: int) -> None:
    with atomic_directory(tmp_path / "out") as stage:
        (stage / "sub").mkdir()
        safetensors.torch.save_file(weights(), stage / "sub" / "private.safetensors")
        (stage / "sub" / "closed").touch(mode=0o600)
    saved(tmp_path / "model")
    write_text_atomic(tmp_path / "text", "x")
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.rglob("*") if path.is_file()}
    assert len(modes) == 6 and set(modes.values()) == {oct(0o640)}
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_block_that_raises_leaves_the_old_directory(tmp_path: Path, failure: type[BaseException]) -> None:
    saved(tmp_path / "model")
    with pytest.raises(failure), atomic_directory(tmp_path / "model") as stage:
        assert re.fullmatch(rf"\.tmp-model-{HOST}-{os.getpid()}-[0-9a-f]{{8}}", stage.name)
        (stage / "half").touch()
        raise failure
    assert listing(tmp_path) == {"model"}
    assert value_of(tmp_path / "model") == 1


def dies(folder: Path, call: str, at: int) -> None:
    """A fork of this process replaces `folder`/model, value 1 by 2, and dies at the n-th use of this os function."""
    child = os.fork()  # a new process would load torch first
    if not child:
        real, left = getattr(os, call), [at]

        def deadly(*args: Any, **how: Any) -> Any:
            left[0] -= 1
            if not left[0]:
                os._exit(9)
            return real(*args, **how)

        try:
            setattr(os, call, deadly)
            saved(folder / "model", 2.0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.parametrize(
    ("call", "at", "left", "value"),
    [
        ("fsync", 1, {"model", ".tmp"}, 1),  # staged, not yet in place
        ("rename", 1, {"model", ".tmp"}, 1),
        ("rename", 2, {"model", ".tmp"}, 1),  # the old one is about to go aside
        ("rename", 3, {".old", ".tmp"}, 1),  # it has, and nothing is in place
        ("fsync", 5, {"model", ".old"}, 2),  # the new one is in place, the old one not yet deleted
        ("rename", 4, {"model", ".old"}, 2),  # the note is about to move from the old one to the new
        ("rename", 5, {"model", ".old"}, 2),  # it has
        ("rmdir", 1, {"model", ".tmp"}, 2),  # the old one is half deleted
    ],
)
def test_a_process_that_dies_leaves_a_whole_checkpoint(
    tmp_path: Path, call: str, at: int, left: set[str], value: float
) -> None:
    run, swept = tmp_path / "run", tmp_path / "swept"
    (saved(run / "model") / "note.txt").write_text("mine")
    dies(run, call, at)
    assert {re.sub(r"^(\.tmp|\.old)-model-.*", r"\1", name) for name in listing(run)} == left
    assert value_of(run / "model") == value

    shutil.copytree(run, swept)
    sweep(swept)
    assert listing(swept) == {"model"}
    assert value_of(swept / "model") == value
    assert (swept / "model/note.txt").read_text() == "mine"

    saved(run / "model", 3.0)  # without sweeping
    assert value_of(run / "model") == 3
    assert (run / "model/note.txt").read_text() == "mine"
    assert not list(run.glob(".old*"))


@pytest.mark.parametrize("name", [".old-model", f".old-model-{HOST}-1-0123abcd", ".tmp-model", ".old-notes"])
def test_a_folder_of_the_user_is_never_taken_for_an_old_checkpoint(tmp_path: Path, name: str) -> None:
    """Neither the name alone makes a folder ours, nor a checkpoint inside it."""
    mine = tmp_path / name
    mine.mkdir()
    (mine / "photo.jpg").write_text("mine")
    if name == ".old-model":
        saved(mine / "model")
        saved(tmp_path / "elsewhere")
        shutil.copy(tmp_path / "elsewhere/manifest.json", mine)
        shutil.rmtree(tmp_path / "elsewhere")
    before = {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()}
    sweep(tmp_path)
    assert listing(tmp_path) == {name}
    assert "no such directory" in load_error(tmp_path / "model")
    for value in (1.0, 2.0):
        saved(tmp_path / "model", value)
        sweep(tmp_path)
    assert listing(tmp_path) == {name, "model"}
    assert {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()} == before


def test_files_that_a_person_put_into_a_checkpoint_are_kept(tmp_path: Path) -> None:
    directory = saved(tmp_path / "model")
    (directory / "README.md").write_text("a card")
    (directory / "figures").mkdir()
    (directory / "figures/a.png").write_bytes(b"png")
    (directory / "link").symlink_to("nowhere")
    inode = (directory / "README.md").stat().st_ino
    for value in (2.0, 3.0):
        saved(directory, value)
        assert value_of(directory) == value
        assert listing(directory) == {
            "model.safetensors", "config.json", "manifest.json", "README.md", "figures", "link",
        }  # fmt: skip
    assert (directory / "README.md").read_text() == "a card" and (directory / "README.md").stat().st_ino == inode
    assert (directory / "figures/a.png").read_bytes() == b"png" and os.readlink(directory / "link") == "nowhere"
    assert listing(tmp_path) == {"model"}


def test_a_folder_with_another_manifest_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/manifest.json").write_text('{"name": "an app", "icons": []}')
    assert error(saved, tmp_path / "app").startswith(str(tmp_path / "app"))
    assert listing(tmp_path) == {"app"} and listing(tmp_path / "app") == {"manifest.json"}


def test_the_newest_of_several_old_checkpoints_is_read_and_put_back(tmp_path: Path) -> None:
    for value, token in ((1.0, "0000000b"), (2.0, "0000000a")):
        saved(tmp_path / token, value)
    for token in ("0000000a", "0000000b"):
        (tmp_path / token).rename(tmp_path / f".old-model-{HOST}-1-{token}")
    assert value_of(tmp_path / "model") == 2
    sweep(tmp_path)
    assert listing(tmp_path) == {"model"} and value_of(tmp_path / "model") == 2


def test_a_directory_that_comes_back_while_it_is_replaced_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process restores the old directory between the two renames."""
    saved(tmp_path / "model")
    rename = os.rename

    def meddled(source: Path, target: Path) -> None:
        rename(source, target)
        if Path(target).name.startswith(".old-model-"):
            monkeypatch.setattr(os, "rename", rename)
            rename(target, source)

    monkeypatch.setattr(os, "rename", meddled)
    saved(tmp_path / "model", 2.0)
    assert value_of(tmp_path / "model") == 2 and listing(tmp_path) == {"model"}


def test_a_checkpoint_replaced_while_it_is_read_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading finds the new JSON beside the old tensors, or nothing at all."""
    saved(tmp_path / "model")
    opened = Path.open

    def interrupted(path: Path, *args: Any) -> Any:
        if path.suffix == ".safetensors":
            monkeypatch.setattr(Path, "open", opened)
            saved(tmp_path / "model", 2.0)
        return opened(path, *args)

    monkeypatch.setattr(Path, "open", interrupted)
    assert value_of(tmp_path / "model") == 2


def test_the_error_of_a_full_disk_has_the_folder_and_keeps_the_old_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path / "model")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    big = {"model": {"w": torch.ones(1_000_000)}}
    for directory in (tmp_path / "model", tmp_path / "new"):
        message = error(save, directory, big, {})
        assert str(tmp_path) in message and "5 MB" in message and "--out" in message
    monkeypatch.undo()
    assert listing(tmp_path) == {"model"}
    assert value_of(tmp_path / "model") == 1


def test_the_error_of_a_failing_disk_has_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    assert error(saved, tmp_path / "model").startswith(str(tmp_path / "model"))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_neither_saved_nor_loaded(tmp_path: Path, bad: float) -> None:
    saved(tmp_path / "model")
    broken = weights() | {"w": torch.tensor([1.0, bad])}
    message = error(save, tmp_path / "model", {"model": broken}, {"config": {}})
    assert message.startswith(str(tmp_path / "model")) and "NaN" in message
    assert value_of(tmp_path / "model") == 1
    rewritten(tmp_path / "model", "model.safetensors", safetensors.torch.save(broken))
    message = load_error(tmp_path / "model")
    assert message.startswith(str(tmp_path / "model/model.safetensors")) and "NaN" in message


def torch_zip() -> bytes:
    data = io.BytesIO()
    torch.save(weights(), data)
    assert zipfile.is_zipfile(data)
    return data.getvalue()


WHOLE = safetensors.torch.save(weights())


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"", ""),
        (WHOLE[:4], ""),
        (WHOLE[:40], ""),
        (WHOLE[:-1], ""),
        (WHOLE + b"\0", ""),
        (b"\xff" * 100, ""),
        ((1 << 40).to_bytes(8, "little") + b"{}", ""),
        (WHOLE.replace(b"[2,3]", b"[3,3]"), ""),
        (WHOLE.replace(b'"F32"', b'"F99"'), ""),
        (safetensors.torch.save({"w": torch.zeros(2).to(torch.float8_e4m3fn)}), ""),
        (b"\x80\x02\x00\x00\x00\x00\x00\x00{", ""),  # a truncated header of 640 bytes, no pickle
        (LFS, "git lfs pull"),
        (HTML, "web page"),
        (torch_zip(), "pickle"),
        *((pickle.dumps({"w": [1.0]}, protocol=protocol), "pickle") for protocol in (2, 3, 4, 5)),
    ],
)
@pytest.mark.parametrize("listed", [False, True])
def test_the_error_of_a_file_that_is_no_safetensors_has_its_path_and_kind(
    tmp_path: Path, data: bytes, part: str, listed: bool
) -> None:
    path = saved(tmp_path / "model") / "model.safetensors"
    path.write_bytes(data)
    if not listed:
        (tmp_path / "model" / "manifest.json").unlink()
    message = load_error(tmp_path / "model")
    assert message.startswith(str(path)) and part in message
    assert ("pickle" in message) == (part == "pickle")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b"9" * 5000,
        b"[1]",
        b"null",
        b'{"a": "' + b"x" * MAX_JSON + b'"}',
        LFS,
        HTML,
    ],
    ids=lambda data: repr(data[:9]),
)
@pytest.mark.parametrize("name", ["config.json", "manifest.json"])
def test_the_error_of_a_file_that_is_no_json_has_its_path(tmp_path: Path, name: str, data: bytes) -> None:
    path = saved(tmp_path / "model") / name
    if name == "config.json":
        (tmp_path / "model" / "manifest.json").unlink()
    path.write_bytes(data)
    assert load_error(tmp_path / "model").startswith(str(path))


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("place", [12, -3])
def test_one_changed_byte_is_an_error(tmp_path: Path, name: str, place: int) -> None:
    path = saved(tmp_path / "model") / name
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    message = load_error(tmp_path / "model")
    assert message.startswith(str(path)) and (
        "manifest.json" in message or (path.suffix, place) == (".safetensors", 12)
    )


def test_a_file_of_another_size_than_listed_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """Neither 200 GB that take no room on the disk nor a header of them take memory."""
    path = saved(tmp_path / "model") / "model.safetensors"
    data = path.read_bytes()
    os.truncate(path, 200 * 10**9)
    message = load_error(tmp_path / "model")
    assert message.startswith(str(path)) and "manifest.json" in message
    (tmp_path / "model/manifest.json").unlink()  # then the header has another size
    assert load_error(tmp_path / "model").startswith(str(path))
    path.write_bytes((150 * 10**9).to_bytes(8, "little") + data[8:])  # a header too large to read
    os.truncate(path, 200 * 10**9)
    assert load_error(tmp_path / "model").startswith(str(path))
    header = json.dumps({"w": {"dtype": "F32", "shape": [50 * 10**9], "data_offsets": [0, 200 * 10**9]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    os.truncate(path, 8 + len(header) + 200 * 10**9)
    forms = checkpoint.read(tmp_path / "model", lambda files: files.forms("model"))
    assert forms["w"].shape == (50 * 10**9,) and forms["w"].device.type == "meta"
    assert "large" in error(checkpoint.load_file, path, 10**6)


@pytest.mark.parametrize(
    ("manifest", "part"),
    [
        ({"format": 2, "files": {}}, "format 2"),
        ({"format": 99}, "format 99"),
        ({"format": 0, "files": {}}, ""),
        ({"format": "1", "files": {}}, ""),
        ({"format": 1, "files": []}, ""),
        ({"format": 1}, ""),
        ({}, ""),
    ],
)
def test_a_manifest_of_another_format_is_an_error(tmp_path: Path, manifest: dict[str, Any], part: str) -> None:
    path = saved(tmp_path / "model") / "manifest.json"
    path.write_text(json.dumps(manifest))
    message = load_error(tmp_path / "model")
    assert message.startswith(str(path)) and part in message


@pytest.mark.parametrize("sums", [None, [], "x", {}, {"size": 5}])
def test_a_file_that_the_manifest_does_not_list_is_an_error(tmp_path: Path, sums: object) -> None:
    path = saved(tmp_path / "model") / "manifest.json"
    manifest = json.loads(path.read_text())
    assert set(manifest["files"]) == {"model.safetensors", "config.json"}
    manifest["files"]["model.safetensors"] = sums
    path.write_text(json.dumps(manifest))
    message = load_error(tmp_path / "model")
    assert "model.safetensors" in message and "manifest.json" in message


def test_the_error_of_a_missing_file_has_its_path(tmp_path: Path) -> None:
    assert str(tmp_path / "none") in load_error(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert re.search(r"empty\b.*model\.safetensors", load_error(tmp_path / "empty"))
    file = saved(tmp_path / "model") / "model.safetensors"
    assert str(file) in load_error(file)
    (tmp_path / "model" / "config.json").unlink()
    (tmp_path / "model" / "config.json").mkdir()
    assert re.search(r"model\b.*config\.json", load_error(tmp_path / "model"))
    assert "xxx" in error(load, Path("x" * 5000), ["model"], [])


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin", ".ckpt", ".pkl", ".safetensors"])
def test_no_pickle_is_ever_loaded(tmp_path: Path, suffix: str) -> None:
    canary = tmp_path / "canary"
    data = pickle.dumps(Canary(canary))
    pickle.loads(data)
    canary.unlink()  # the file does run code when it is unpickled
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / f"model{suffix}").write_bytes(data)
    message = load_error(directory)
    assert str(directory) in message and f"model{suffix}" in message and "safetensors" in message
    assert "pickle" in load_error(directory / f"model{suffix}") or suffix == ".safetensors"
    assert not canary.exists()


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def test_tensors_are_loaded_into_their_module() -> None:
    source, target = net(), net()
    with torch.no_grad():
        for parameter in source.parameters():
            parameter.add_(1)
    source(torch.randn(5, 3))  # moves the running statistics
    load_into(target, source.state_dict(), "model")
    for (name, value), other in zip(source.state_dict().items(), target.state_dict().values(), strict=True):
        assert torch.equal(value, other), name
    load_into(
        target, {k: v.bfloat16() if v.is_floating_point() else v for k, v in source.state_dict().items()}, "model"
    )


@pytest.mark.parametrize(
    "value",
    [
        torch.tensor(1e300, dtype=torch.float64),  # finite until it is cast
        torch.tensor(1e30),
        torch.tensor(-2 * MAX_WEIGHT),
    ],
)
def test_weights_that_no_training_gives_are_an_error_and_change_nothing(value: Tensor) -> None:
    module = net()
    tensors = module.state_dict() | {"2.bias": value.expand(2)}
    message = error(load_into, module, tensors, "runs/a: model")
    assert message.startswith("runs/a") and "2.bias" in message and "1e+06" in message
    assert all(
        torch.equal(a, b) for a, b in zip(module.state_dict().values(), net().state_dict().values(), strict=True)
    )
    load_into(module, tensors | {"2.bias": torch.full((2,), MAX_WEIGHT)}, "model")


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"0.bias": None}, "0.bias is missing"),
        ({"9.bias": torch.zeros(1)}, "9.bias is unexpected"),
        ({"0.bias": torch.zeros(5)}, "0.bias is float32 [5], expected float32 [4]"),
        ({"0.bias": torch.zeros(4, dtype=torch.int8)}, "0.bias is int8 [4], expected float32 [4]"),
        ({"1.num_batches_tracked": torch.tensor(1.0)}, "1.num_batches_tracked is float32 [], expected int64 []"),
        ({"0.bias": None, "x": torch.zeros(1), "2.bias": torch.zeros(3)},
         "0.bias is missing; x is unexpected; 2.bias is float32 [3], expected float32 [2]"),
        ({f"x{i}": torch.zeros(1) for i in range(5)}, "; ".join(f"x{i} is unexpected" for i in range(5))),
        ({f"x{i}": torch.zeros(1) for i in range(7)},
         "; ".join(f"x{i} is unexpected" for i in range(5)) + "; and 2 more"),
    ],
)  # fmt: skip
def test_tensors_that_do_not_fit_are_named_and_change_nothing(change: dict[str, Tensor | None], wrong: str) -> None:
    module = net()
    tensors = {name: value + 1 for name, value in module.state_dict().items()} | change
    tensors = {name: value for name, value in tensors.items() if value is not None}
    message = error(load_into, module, tensors, "runs/a: model")
    assert message.startswith("runs/a") and message.endswith(wrong)
    for name, value in net().state_dict().items():
        assert torch.equal(module.state_dict()[name], value), name


def same(a: Any, b: Any) -> bool:
    """Equal to the last bit, types included."""
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and bool(a == b)


def steps(module: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(5):
        optimizer.zero_grad()
        module(torch.randn(6, 3, generator=generator)).square().sum().backward()
        optimizer.step()


@pytest.mark.parametrize(
    "options",
    [{}, {"fused": True}, {"foreach": True}, {"amsgrad": True, "weight_decay": 0.1}],
    ids=["plain", "fused", "foreach", "amsgrad"],
)
def test_a_resumed_optimizer_gives_the_same_weights(tmp_path: Path, options: dict[str, Any]) -> None:
    def adam(module: nn.Sequential) -> torch.optim.Adam:
        first, last = ({"params": module[i].parameters()} for i in (0, 2))
        groups: list[dict[str, Any]] = [first, {**last, "lr": 1 / 3, "initial_lr": 0.1}]
        return torch.optim.Adam(groups, lr=0.1, betas=(0.5, 0.9), **options)

    module = net()
    optimizer = adam(module)
    steps(module, optimizer, 1)
    tensors, meta = flatten_optimizer(optimizer.state_dict())
    assert all(re.fullmatch(r"state\.\d\.(step|exp_avg|exp_avg_sq|max_exp_avg_sq)", name) for name in tensors)
    save(tmp_path / "state", {"model": module.state_dict(), "optimizer": tensors}, {"optimizer": meta})

    loaded, metas = load(tmp_path / "state", ["model", "optimizer"], ["optimizer"])
    state = unflatten_optimizer(loaded["optimizer"], metas["optimizer"])
    assert same(state, optimizer.state_dict())
    resumed = net()
    load_into(resumed, loaded["model"], "model")
    other = adam(resumed)
    other.load_state_dict(state)
    steps(module, optimizer, 2)
    steps(resumed, other, 2)
    assert same(resumed.state_dict(), module.state_dict())
    assert same(other.state_dict(), optimizer.state_dict())


def test_an_optimizer_that_has_not_started_and_one_with_scalars_round_trip() -> None:
    fresh = torch.optim.Adam(net().parameters()).state_dict()
    scalar = {**fresh, "state": {0: {"step": 3, "mu": 0.1, "none": None, "a.b": torch.ones(2)}, 2: {"mu": 1.0}}}
    for state in (fresh, scalar):
        tensors, meta = flatten_optimizer(state)
        assert same(unflatten_optimizer(tensors, json.loads(json.dumps(meta))), state)


@pytest.mark.parametrize(
    ("tensors", "meta"),
    [
        ({}, {}),
        ({}, {"scalars": {}, "param_groups": 3}),
        ({}, {"scalars": {}, "param_groups": [3]}),
        ({}, {"scalars": [], "param_groups": []}),
        ({"w": torch.ones(1)}, {"scalars": {}, "param_groups": []}),
        ({"state.x.step": torch.ones(1)}, {"scalars": {}, "param_groups": []}),
    ],
)
def test_tensors_that_are_no_optimizer_state_are_an_error(tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    assert error(unflatten_optimizer, tensors, meta)


def test_sweep_removes_temporary_files_of_ended_processes_alone(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    dead = int(ended.stdout)
    other = "0" * 8  # another machine on a shared volume
    stages = {
        f".tmp-model-{HOST}-{dead}-0123abcd": False,
        f".tmp-a-b-1-{HOST}-{dead}-0123abcd": False,
        f".tmp-model-{HOST}-{os.getpid()}-0123abcd": False,  # left by a process of the same id in another container
        f".tmp-model-{HOST}-{os.getppid()}-0123abcd": True,
        f".tmp-model-{other}-{dead}-0123abcd": True,
        f".tmp-model-{HOST}-{dead}": True,
        f".tmp-model-{dead}-0123abcd": True,
        ".tmp-notes": True,
        f"tmp-model-{HOST}-{dead}-0123abcd": True,
    }
    for name in stages:
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    (tmp_path / f".tmp-log.json-{HOST}-{dead}-0123abcd").touch()
    (tmp_path / ".old-notes").touch()
    sweep(tmp_path)
    assert listing(tmp_path) == {name for name, stays in stages.items() if stays} | {".old-notes"}


def test_sweep_leaves_what_another_thread_of_this_process_is_writing(tmp_path: Path) -> None:
    with atomic_directory(tmp_path / "model") as stage:
        (stage / "file").touch()
        sweep(tmp_path)
        assert stage.exists()
    assert listing(tmp_path) == {"model"} and listing(tmp_path / "model") == {"file"}


def test_two_processes_that_save_and_sweep_at_once_leave_a_whole_checkpoint(tmp_path: Path) -> None:
    (saved(tmp_path / "model") / "note.txt").write_text("mine")
    children = []
    for value in (1.0, 2.0):
        children.append(os.fork())
        if not children[-1]:
            status = 1
            try:
                for _ in range(40):
                    saved(tmp_path / "model", value)
                    sweep(tmp_path)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)  # without the tests that follow
    for _ in range(100):
        assert value_of(tmp_path / "model") in (1.0, 2.0)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    sweep(tmp_path)
    assert listing(tmp_path) == {"model"} and (tmp_path / "model/note.txt").read_text() == "mine"


def test_a_checkpoint_whose_manifest_was_missed_while_it_was_replaced_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, manifests = saved(tmp_path / "model", 1.0), []

    def reader(files: checkpoint.Files) -> float:
        manifests.append(files.manifest)
        tensors = files.tensors("model")
        if len(manifests) == 1:
            saved(directory, 2.0)
        config = files.json("config")
        assert len(manifests) == 1 or tensors["w"].eq(config["value"]).all()
        return float(config["value"])

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "read_manifest", lambda path: None if not manifests else read_manifest(path))
        assert checkpoint.read(directory, reader) == 2.0
    assert len(manifests) == 2 and manifests[0] is None and manifests[1] is not None


def test_text_is_replaced_atomically(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.json"
    write_text_atomic(path, "old")
    with path.open() as reader:
        write_text_atomic(path, "neu: é\r\n")
        assert reader.read() == "old"  # an open reader keeps the old file
    assert path.read_bytes() == "neu: é\r\n".encode()
    with pytest.raises(UnicodeEncodeError):
        write_text_atomic(path, "x" * 100_000 + "\udcff")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError):
        write_text_atomic(path, "new")
    assert listing(tmp_path) == {"log.json"}
    assert path.read_bytes() == "neu: é\r\n".encode()


@pytest.mark.parametrize("name", ["n" * 255, "ö" * 127])
def test_a_file_of_the_longest_name_is_written(tmp_path: Path, name: str) -> None:
    checkpoint.write_text_atomic(tmp_path / name, "text")
    assert os.listdir(tmp_path) == [name]


def test_a_note_under_a_name_that_a_save_brings_is_kept_beside_it(tmp_path: Path) -> None:
    directory = tmp_path / "model"
    checkpoint.save(directory, {}, {"config": {}})
    (directory / "extra.json").write_text("mine")
    checkpoint.save(directory, {}, {"config": {}, "extra": {"a": 1}})
    assert json.loads((directory / "extra.json").read_text()) == {"a": 1}
    assert (directory / "extra.json.1").read_text() == "mine"
