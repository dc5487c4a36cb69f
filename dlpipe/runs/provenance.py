"""Where a run came from: versions, git state, data, machine."""

import contextlib
import hashlib
import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dlpipe.plugins import registry


def provenance(run_dir: Path, checksums: dict[str, str], start: dict[str, str], threads: int) -> dict[str, Any]:
    """Plain containers that say what ran, on what, with which data.

    Args:
        run_dir: where it runs.
        checksums: of the data.
        start: sha256 of the weights of another run that it starts from, by stage.
        threads: of torch.
    """
    import torch

    return {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": [os.path.basename(sys.executable), *sys.argv],
        "overrides": list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else [],
        "libraries": libraries(),
        "plugins": {offer.distribution: offer.version for offer in registry.all_entries()},
        "code": {package: _sha256_of_code(package) for package in sorted({"dlpipe", *_plugin_packages()})},
        "git": _git_state(run_dir),
        "data": checksums,
        "start": start,
        "machine": {
            "platform": platform.platform(),
            "python": platform.python_version(),
            "cpu": cpu_name(),
            "cpus": os.cpu_count(),
            "threads": threads,
            "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        },
    }


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What the numbers of a run may depend on and is not as it was; what was not noted then is left out."""
    message = []
    for part in ("libraries", "plugins", "code", "data", "start", "machine"):
        had, has = before.get(part, {}), now[part]
        keys = sorted(key for key in had if had[key] != has.get(key))
        message += [f"{part}: {key} was {had.get(key)} and is {has.get(key)}" for key in keys]
    return message


def libraries() -> dict[str, str]:
    """Name to version of dlpipe and its plugins, and of what they and Lightning require and is installed."""
    own = {"dlpipe", *(offer.distribution for offer in registry.all_entries())}
    names = own.union(*map(_requirements, [*own, "pytorch-lightning"]))
    found = {}
    for name in sorted(map(canonicalize_name, names)):
        with contextlib.suppress(PackageNotFoundError):  # of another system
            found[str(name)] = version(name)
    return found


def _requirements(name: str) -> list[str]:
    """What a distribution needs by itself, without extras."""
    texts = requires(name) or []
    needed = [requirement for requirement in map(Requirement, texts) if "extra" not in str(requirement.marker)]
    return [requirement.name for requirement in needed]


def _plugin_packages() -> list[str]:
    return [offer.package for offer in registry.all_entries()]


def _sha256_of_code(package: str) -> str | None:
    """Of all Python and YAML files of a package, which is found without being imported; None where it is not."""
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        spec = None
    digest = hashlib.sha256()
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(folder).rglob("*")):
            if path.suffix in (".py", ".yaml"):
                digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    if spec and spec.origin and not spec.submodule_search_locations:  # a module that is one file
        digest.update(Path(spec.origin).read_bytes())
    return digest.hexdigest() if spec else None


def cpu_name() -> str:
    """The processor as Linux names it; elsewhere its architecture."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _git_state(run_dir: Path) -> dict[str, Any] | None:
    """Commit and whether the work tree differs from it; None outside a repository or without git.

    None too of a repository inside of the run's directory: git would run what its configuration names, and anybody may
    have put it there.
    """
    try:
        if Path(_git("rev-parse", "--show-toplevel")).resolve().is_relative_to(run_dir.resolve()):
            return None
        commit = _git("rev-parse", "HEAD")
        changed = _git("-c", "core.fsmonitor=false", "status", "--porcelain", "--untracked-files=no")
        return {"commit": commit, "modified": bool(changed)}
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()
