"""How much memory is available for a dataset."""

import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)
CGROUP = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")
FALLBACK_BYTES = 8 * 2**30  # Windows reports nothing that the standard library reads


def available_bytes() -> int:
    """Available memory in bytes: of the system, or of this process's container if that has less.

    If the system does not report available memory (macOS, Windows): its total memory, or 8 GiB.
    """
    container = _container_bytes()
    return _system_bytes() if container is None else min(container, _system_bytes())


def fits_in_memory(name: str, size: int, resident_bytes: int | None, num_ranks: int) -> bool:
    """Whether the float32 tensors of a dataset may be in memory; logs it if they may not.

    Args:
        name: of the dataset.
        size: bytes of its tensors.
        resident_bytes: the most bytes that they may take; None for half of the available memory, divided by the number
            of ranks.
        num_ranks: ranks of the run.
    """
    budget = available_bytes() // 2 // num_ranks if resident_bytes is None else resident_bytes
    if size > budget:
        log.info(
            "%s stays a memory map: it would take %.3g GiB of memory and may take %.3g (dataset.resident_bytes)",
            name,
            size / 2**30,
            budget / 2**30,
        )
    return size <= budget


def _system_bytes() -> int:
    try:
        lines = MEMINFO.read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return FALLBACK_BYTES


def _container_bytes() -> int | None:
    """What the cgroup v2 limit leaves, counting the reclaimable file cache as available; None without a limit."""
    try:
        limit = (CGROUP / "memory.max").read_text().strip()
        used = int((CGROUP / "memory.current").read_text())
        statistics = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        return None if limit == "max" else max(0, int(limit) - used + int(statistics["inactive_file"]))
    except (OSError, KeyError):
        return None
