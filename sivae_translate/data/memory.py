"""How much memory this process may still use, by the machine and by the control groups of a container or job."""

from __future__ import annotations

import math
from pathlib import Path

import psutil

CGROUPS, OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
VERSIONS = (  # of control groups: folder of the hierarchy, limit, use, and the key in memory.stat of the page cache
    ("", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def available_memory(processes: int = 1) -> int:
    """Bytes that this process can allocate without swapping; its part of what `processes` on this machine share."""
    free = min(psutil.virtual_memory().available, cgroup_memory(CGROUPS, OWN_CGROUPS))
    return int(free) // processes


def cgroup_memory(root: Path, own: Path) -> float:
    """Bytes left below the limits of this process's control groups and of those around them; infinite for no limit.

    Args:
        root: where control groups are mounted, in version 1 with a folder per controller.
        own: the list of this process's groups, with lines such as "0::/user.slice" and "4:memory:/job".
    """
    try:
        lines = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:  # not on Linux
        return math.inf
    left = math.inf
    for controller, *files in VERSIONS:
        for _, controllers, group in lines:
            if controller in controllers.split(","):
                path = Path(group.strip("/"))
                left = min(left, *(_left(root / controller / each, *files) for each in (path, *path.parents)))
    return left


def _left(group: Path, limit: str, use: str, cache: str) -> float:
    """Bytes left in one group. Cached files count as free, as the kernel drops them for other data."""
    try:
        allowed, used = (group / limit).read_text().strip(), int((group / use).read_text())
        if allowed == "max":
            return math.inf
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return max(0, int(allowed) - used + int(stat.get(cache, 0)))
    except (OSError, ValueError):  # a group that is not visible from within a container
        return math.inf
