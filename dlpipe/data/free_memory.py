"""How much memory a dataset may take."""

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")


def free_bytes() -> int:
    """Bytes that are free on this machine: the smaller of what the system and a container's limit have left.

    Where the system does not say what is free (macOS, Windows), all memory that it has, or 8 GiB.
    """
    limited = _of_the_container()
    return _of_the_system() if limited is None else min(limited, _of_the_system())


def _of_the_system() -> int:
    try:
        lines = MEMINFO.read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 8 * 2**30


def _of_the_container() -> int | None:
    """What a limit by cgroup v2 leaves, counting file caches that can be dropped as free; None without a limit."""
    try:
        limit = (CGROUP / "memory.max").read_text().strip()
        used = int((CGROUP / "memory.current").read_text())
        statistics = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        return None if limit == "max" else max(0, int(limit) - used + int(statistics["inactive_file"]))
    except (OSError, KeyError):
        return None
