"""Bad input: a command prints one line of error, ends with the right exit code and changes no file."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bad_input import CASES, VARIANTS, Case, Workspace
from command_output import expect_error, numbers

from sivae_translate.inference import folder as folder_module


def digests(folder: Path) -> dict[str, str]:
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.mark.parametrize("case", [*CASES, *VARIANTS], ids=lambda case: case.name)
def test_bad_input_gets_one_line_and_changes_no_file(cli: Any, workspace: Workspace, case: Case) -> None:
    words = case.words(workspace)
    before = workspace.files()
    expect_error(cli(*words), case.code, *case.parts)
    assert workspace.files() == before


def test_every_case_has_its_own_name() -> None:
    names = [case.name for case in (*CASES, *VARIANTS)]
    assert len(set(names)) == len(names)


class Canary:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["model.safetensors", "model.pt"])
def test_a_pickle_is_an_error_and_never_loaded(cli: Any, workspace: Workspace, tmp_path: Path, name: str) -> None:
    model, canary = workspace.model(), tmp_path / "canary"
    (model / "model.safetensors").unlink()
    (model / name).write_bytes(pickle.dumps(Canary(canary)))
    expect_error(cli("run", workspace.view, "--model", model), 1, "safetensors")
    assert not canary.exists()
    pickle.loads((model / name).read_bytes())
    assert canary.exists()  # the file does run code when it is unpickled


def test_a_domain_of_one_image_is_trained_with_a_warning_before(
    cli: Any, options: Callable[..., list[str]], workspace: Workspace
) -> None:
    for domain, count in (("one", 1), ("many", 4)):
        workspace.folder(f"domains/{domain}")
        for path in sorted((workspace.cars / "unseen/car003").iterdir())[:count]:
            shutil.copy(path, workspace.here / "domains" / domain)
    checked = cli("check", workspace.here / "domains", "--no-estimate")
    assert checked.exit_code == 0 and "domain one " in checked.stdout
    arguments = ("--domains", workspace.here / "domains", "--out", workspace.here / "run")
    assert cli("train", *arguments, *options("training.images=16")).exit_code == 0


def test_a_folder_of_bare_images_trains_and_takes_its_styles_from_references(
    cli: Any, options: Callable[..., list[str]], workspace: Workspace
) -> None:
    run, out = workspace.here / "run", workspace.here / "out"
    bare = workspace.cars / "unseen/car003"
    trained = cli("train", "--domains", bare, "--out", run, *options("training.images=16"))
    assert trained.exit_code == 0
    assert json.loads((run / "model/config.json").read_text())["domains"][0] == "cluster-001"
    assert cli("run", workspace.view, "--model", run, "--style", bare, "--out", out).exit_code == 0
    assert (out / "el0_az00.png").exists()


def test_an_unreadable_file_among_good_ones_is_left_out_and_named(
    cli: Any, options: Callable[..., list[str]], workspace: Workspace
) -> None:
    for domain in ("a", "b"):
        workspace.folder(f"domains/{domain}")
        shutil.copy(workspace.view, workspace.here / "domains" / domain)
    bad = workspace.make("domains/a/bad.png", "no image")
    assert cli("check", workspace.here / "domains", "--no-estimate").exit_code == 3
    arguments = ("--domains", workspace.here / "domains", "--out", workspace.here / "run")
    result = cli("train", *arguments, *options("training.images=16"))
    assert result.exit_code == 0 and str(bad) in result.stderr


def test_an_error_shows_any_file_name_in_ascii(workspace: Workspace) -> None:
    """The output of the process is ASCII, and the name holds other bytes, a line feed and an escape sequence."""
    name = os.fsdecode(b"caf\xe9\n\x1b[31m")
    command = [sys.executable, "-m", "sivae_translate", "check", name]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    result = subprocess.run(command, capture_output=True, env=environment)
    assert result.returncode == 2 and result.stdout == b""
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and lines[0].isascii() and b"caf" in lines[0] and b"\x1b" not in lines[0]


# --- a full disk ----------------------------------------------------------------------------------------------------


def test_translations_stop_at_a_full_disk_and_continue_when_it_has_space(
    cli: Any, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, writes = workspace.here / "out", [30]
    write_bytes = Path.write_bytes

    def write(path: Path, data: bytes) -> int:
        writes[0] -= 1
        if writes[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_bytes(path, data)

    arguments = ("run", workspace.cars / "unseen/car003", "--model", workspace.trained, "--out", out, "--batch", "8")
    monkeypatch.setattr(folder_module.Path, "write_bytes", write)
    expect_error(cli(*arguments), 1, out)
    assert list(out.rglob(".tmp-*")) == []
    written = len(list(out.rglob("*.png")))
    assert 24 <= written <= 30

    writes[0] = 10**6
    finished = cli(*arguments)
    assert finished.exit_code == 0
    assert numbers(finished.stdout) == [288 - written, written]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB, where this user may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this user may not mount a file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with pytest.raises(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 12))
    return filler


def test_training_on_a_full_disk_keeps_the_last_state_and_resumes_when_it_has_space(
    cli: Any, options: Callable[..., list[str]], workspace: Workspace, small_disk: Path
) -> None:
    run = small_disk / "run"
    arguments = ("train", "--domains", workspace.cars / "train", "--out", run)
    assert cli(*arguments, *options("training.images=16")).exit_code == 0
    before = digests(run / "state") | digests(run / "model")
    filler = fill(small_disk)
    expect_error(cli(*arguments, *options("training.images=32")), 1, run)
    assert digests(run / "state") | digests(run / "model") == before
    filler.unlink()
    finished = cli(*arguments, *options("training.images=32"))
    assert finished.exit_code == 0 and 16 in numbers(finished.stderr)


def test_samples_on_a_full_disk_leave_no_partial_picture(cli: Any, workspace: Workspace, small_disk: Path) -> None:
    fill(small_disk)
    expect_error(cli("sample", "--model", workspace.trained, "--out", small_disk / "new.png"), 1)
    assert not (small_disk / "new.png").exists()
