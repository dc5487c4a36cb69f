"""Import every plugin in another process and report what is wrong with the installation."""

import argparse
import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dlpipe.cli.verbs import VERBS
from dlpipe.data.files import describe_folders
from dlpipe.errors import PluginError, format_list
from dlpipe.plugins import health, registry
from dlpipe.plugins.load_class import load_class
from dlpipe.plugins.registry import Kind, PluginEntry
from dlpipe.runs.provenance import libraries

KINDS: tuple[Kind, ...] = (*registry.KINDS, "verb")
MARK = "dlpipe-import "  # distinguishes the lines of JSON, one an import, from what a plugin prints


def main(arguments: argparse.Namespace) -> int:
    """Print a line for everything that is checked; exit code 1 if anything is wrong."""
    for name, installed in libraries().items():
        print(f"ok       {name} {installed}")
    problems = [*_mixed_lightning(), *_unfit_versions(), *_unknown_allowed(), *_shared_names(), *_orphan_yaml()]
    for problem in problems:
        print(f"problem  {problem}")
    print(f"ok       data is looked for in {describe_folders('', None)}")
    failed = 0
    for entry, failure in _import_all([entry for kind in KINDS for entry in registry.available(kind)]):
        health.record(entry, failure)
        print(f"{'problem' if failure else 'ok     '}  {entry}{f': {failure}' if failure else ''}")
        failed += failure is not None
    return 1 if problems or failed else 0


def _import_all(entries: list[PluginEntry]) -> list[tuple[PluginEntry, str | None]]:
    """Import each entry in another process; with each, why the import failed, or None.

    If a plugin ends the process, another process imports the plugins after it.
    """
    results: list[tuple[PluginEntry, str | None]] = []
    while len(results) < len(entries):
        remaining = entries[len(results) :]
        names = [f"{entry.kind}:{entry.qualified_name}" for entry in remaining]
        command = [sys.executable, "-m", "dlpipe.cli.verbs.doctor", *names]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}  # it imports from where this process does
        process = subprocess.run(
            command, env=environment, capture_output=True, encoding="utf-8", errors="backslashreplace", check=False
        )
        lines = [line for line in process.stdout.splitlines() if line.startswith(MARK)]
        failures = [json.loads(line.removeprefix(MARK)) for line in lines]
        results += list(zip(remaining, failures, strict=False))
        if len(failures) < len(remaining):
            last_line = (process.stderr.strip().splitlines() or ["no message"])[-1]
            failure = f"the import ended the process (exit code {process.returncode}): {last_line}"
            results.append((remaining[len(failures)], failure))
    return results


def _import(names: list[str]) -> None:
    """Import each ``kind:owner/name``, and print null or why the import failed."""
    for name in names:
        kind, _, qualified = name.partition(":")
        try:
            load_class(kind, qualified)  # type: ignore[arg-type]  # one of KINDS
            failure = None
        except PluginError as error:
            failure = str(error).splitlines()[0]
        print(MARK + json.dumps(failure), flush=True)


def _mixed_lightning() -> list[str]:
    try:
        found = version("lightning")
    except PackageNotFoundError:
        return []
    return [f"lightning {found} is installed beside pytorch-lightning; a plugin that imports it does not work here"]


def _unfit_versions() -> list[str]:
    """Plugins that need another version of dlpipe or of another plugin; pip says so only when it installs them."""
    problems = []
    for distribution in sorted({entry.distribution for entry in registry.all_entries()} - {registry.CORE}):
        for requirement in map(Requirement, requires(distribution) or []):
            name = canonicalize_name(requirement.name)
            if not name.startswith(registry.CORE) or (requirement.marker and not requirement.marker.evaluate()):
                continue
            try:
                found = version(name)
            except PackageNotFoundError:
                problems.append(f"{distribution} needs {name}, which is not installed; pip install {name}")
                continue
            if not requirement.specifier.contains(found, prereleases=True):
                wanted = f"{name}{requirement.specifier}"
                message = f"{distribution} {version(distribution)} needs {wanted}, and {found} is installed"
                problems.append(f"{message}; pip install --upgrade {distribution} '{wanted}'")
    return problems


def _unknown_allowed() -> list[str]:
    names = sorted(set().union(*registry.allow_list()))
    known = {name for entry in registry.all_entries() for name in (entry.owner, entry.distribution)}
    installed = format_list(sorted(known))
    return [f"{registry.ALLOW_VARIABLE} names {n!r}; installed: {installed}" for n in names if n not in known]


def _shared_names() -> list[str]:
    problems = []
    for kind in KINDS:
        entries = registry.available(kind)
        for name in sorted({entry.name for entry in entries}):
            same = [entry for entry in entries if entry.name == name]
            if len(same) > 1:
                choices = " or ".join(entry.as_typed for entry in same)
                owners = format_list(entry.distribution for entry in same)
                problems.append(f"{kind} {name!r} is registered by {owners}; choose with {choices}")
            elif kind == "verb" and name in VERBS:
                problems.append(f"{same[0]} has the name of a verb of dlpipe; choose it with {same[0].as_typed}")
    return problems


def _orphan_yaml() -> list[str]:
    """Config files without an entry point: nobody can choose them."""
    problems = []
    for distribution, folder in registry.plugin_conf_dirs().items():
        for kind in registry.KINDS:
            names = {entry.name for entry in registry.available(kind) if entry.distribution == distribution}
            for path in sorted((folder / kind).glob("*.yaml")):
                if path.stem not in names:
                    problems.append(f"{path} has no entry point {path.stem!r} in dlpipe.{kind}s of {distribution}")
    return problems


if __name__ == "__main__":
    _import(sys.argv[1:])  # the other process
