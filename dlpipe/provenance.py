"""Where a run came from: versions, git state, data, machine."""

import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any

from dlpipe import plugins

LIBRARIES = ("torch", "pytorch-lightning", "hydra-core", "omegaconf", "wandb", "numpy", "dlpipe")


def provenance(checksums: dict[str, str], threads: int) -> dict[str, Any]:
    """Plain containers that say what ran, on what, with which data."""
    import torch

    return {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": [os.path.basename(sys.executable), *sys.argv],
        "libraries": {name: version(name) for name in LIBRARIES},
        "plugins": {offer.distribution: offer.version for offer in plugins.all_offers()},
        "git": _git_state(),
        "data": checksums,
        "machine": {
            "platform": platform.platform(),
            "python": platform.python_version(),
            "cpus": os.cpu_count(),
            "threads": threads,
            "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        },
    }


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What the numbers of a run may depend on and is not as it was: libraries, plugins, data, machine."""
    told = []
    for part in ("libraries", "plugins", "data", "machine"):
        had, has = before.get(part, {}), now[part]
        keys = sorted(key for key in had.keys() | has.keys() if had.get(key) != has.get(key))
        told += [f"{part}: {key} was {had.get(key)} and is {has.get(key)}" for key in keys]
    return told


def _git_state() -> dict[str, Any] | None:
    """Commit and whether the work tree differs from it; None outside a repository or without git."""
    try:
        commit = _git("rev-parse", "HEAD")
        return {"commit": commit, "modified": bool(_git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()
