"""Available memory: of the machine, and below the limits of control groups of both versions."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from sivae_translate.data import memory

GIB = 1 << 30


def write(path: Path, text: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "cgroup"


def limit_v2(folder: Path, limit: object, used: int, cached: int = 0) -> None:
    write(folder / "memory.max", limit)
    write(folder / "memory.current", used)
    write(folder / "memory.stat", f"anon 1\ninactive_file {cached}")


def test_the_tightest_group_above_the_process_counts_and_its_cache_is_free(tmp_path: Path, own: Path) -> None:
    write(own, "0::/job/step")
    limit_v2(tmp_path / "job/step", "max", 2 * GIB)
    limit_v2(tmp_path / "job", 8 * GIB, 5 * GIB, cached=GIB)
    assert memory.cgroup_memory(tmp_path, own) == 4 * GIB


def test_version_1_has_a_folder_for_its_memory_controller(tmp_path: Path, own: Path) -> None:
    write(own, "4:memory:/job\n1:cpu:/other\n0::/")
    write(tmp_path / "memory/job/memory.limit_in_bytes", 3 * GIB)
    write(tmp_path / "memory/job/memory.usage_in_bytes", GIB)
    write(tmp_path / "memory/job/memory.stat", "cache 7\ntotal_inactive_file 10")
    assert memory.cgroup_memory(tmp_path, own) == 2 * GIB + 10


def test_in_a_container_only_the_root_may_be_visible(tmp_path: Path, own: Path) -> None:
    write(own, "0::/machine/unknown")
    limit_v2(tmp_path, 2 * GIB, GIB)
    assert memory.cgroup_memory(tmp_path, own) == GIB


@pytest.mark.parametrize("text", [None, "0::/"])
def test_without_a_limit_the_groups_leave_everything(tmp_path: Path, own: Path, text: str | None) -> None:
    if text is not None:
        write(own, text)
    assert memory.cgroup_memory(tmp_path, own) == math.inf


def test_processes_on_this_machine_share_what_is_available(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "cgroup_memory", lambda *_: 6 * GIB)
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: type("Free", (), {"available": 8 * GIB}))
    assert memory.available_memory() == 6 * GIB
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "")  # left by an earlier session
    assert memory.available_memory(3) == 2 * GIB
