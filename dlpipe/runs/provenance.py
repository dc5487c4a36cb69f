"""The provenance of a run: versions, git state, data, machine."""

import contextlib
import functools
import hashlib
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dlpipe.plugins import registry


def provenance(run_dir: Path, checksums: dict[str, str], start: dict[str, str], threads: int) -> dict[str, Any]:
    """Plain containers that record the code, data and machine of a run.

    Args:
        run_dir: the run's directory.
        checksums: sha256 of the data files.
        start: sha256 of the weights from ``init_from``, by stage.
        threads: the number of torch's threads.
    """
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [os.path.basename(sys.executable), *sys.argv],
        "overrides": list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else [],
        **versions(),
        "git": _git_state(run_dir),
        "data": checksums,
        "start": start,
        "machine": machine(threads),
    }


def machine(threads: int) -> dict[str, Any]:
    """The hardware, and what runs on it; ``threads`` is the number of torch's."""
    import torch

    return {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cpu": cpu_name(),
        "cpus": os.cpu_count(),
        "threads": threads,
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    }


def versions() -> dict[str, dict[str, str | None]]:
    """The versions of libraries and plugins, and a sha256 of the code of each package."""
    return {
        "libraries": {**libraries()},
        "plugins": {entry.distribution: entry.version for entry in registry.all_entries()},
        "code": {package: _sha256_of_code(package) for package in sorted({"dlpipe", *_plugin_packages()})},
    }


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Changes that may affect a run's numbers, one message each; what is missing from one of both is skipped."""
    messages = []
    for part in ("libraries", "plugins", "code", "data", "start", "machine"):
        old, new = before.get(part, {}), now.get(part)
        if new is None:
            continue
        keys = sorted(key for key in old if old[key] != new.get(key))
        digits = 12 if part == "code" else None
        messages += [f"{part}: {key} was {str(old[key])[:digits]} and is {str(new.get(key))[:digits]}" for key in keys]
    return messages


def libraries() -> dict[str, str]:
    """Installed versions of dlpipe, its plugins, and the requirements of these and of Lightning."""
    distributions = {"dlpipe", *(entry.distribution for entry in registry.all_entries())}
    return dict(_installed(frozenset(distributions)))


@functools.cache  # parses a hundred files of metadata, once for all jobs of a sweep
def _installed(distributions: frozenset[str]) -> dict[str, str]:
    """The versions of distributions, of their requirements and of Lightning's."""
    names = distributions.union(*map(_requirements, [*distributions, "pytorch-lightning"]))
    versions = {}
    for name in sorted(map(canonicalize_name, names)):
        with contextlib.suppress(PackageNotFoundError):  # a requirement for another platform
            versions[str(name)] = version(name)
    return versions


def _requirements(name: str) -> list[str]:
    """The names of a distribution's requirements, without extras."""
    texts = requires(name) or []
    required = [requirement for requirement in map(Requirement, texts) if "extra" not in str(requirement.marker)]
    return [requirement.name for requirement in required]


def _plugin_packages() -> list[str]:
    return [entry.package for entry in registry.all_entries()]


def _sha256_of_code(package: str) -> str | None:
    """sha256 of all Python and YAML files of a package, without importing it; None if it is not installed."""
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        spec = None
    digest = hashlib.sha256()
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(folder).rglob("*")):
            if path.suffix in (".py", ".yaml"):
                digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    if spec and spec.origin and not spec.submodule_search_locations:  # a single-file module
        digest.update(Path(spec.origin).read_bytes())
    return digest.hexdigest() if spec else None


def cpu_name() -> str:
    """The processor's model name on Linux; its architecture elsewhere."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _git_state(run_dir: Path) -> dict[str, Any] | None:
    """Commit, and whether tracked files differ from it; None outside of a repository or without git.

    Also None if the repository is inside the run's directory: git runs commands of a repository's configuration, and
    that one may be untrusted.
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
    return os.fsdecode(subprocess.run(["git", *arguments], capture_output=True, check=True).stdout).strip()
