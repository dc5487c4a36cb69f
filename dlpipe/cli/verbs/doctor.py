"""``doctor``: import every plugin in a process of its own and say what is wrong with the installation."""

import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

from dlpipe.data.files import DATA_VARIABLE, cache_directory
from dlpipe.errors import format_list
from dlpipe.plugins import health, registry
from dlpipe.plugins.import_check import MARK
from dlpipe.plugins.registry import PluginEntry
from dlpipe.runs.provenance import libraries


def main() -> int:
    """Print a line for everything looked at; exit code 1 where something is wrong."""
    for name, installed in libraries().items():
        print(f"ok       {name} {installed}")
    problems = [*_mixed_lightning(), *_unknown_allowed(), *_shared_names(), *_orphan_yaml()]
    for problem in problems:
        print(f"problem  {problem}")
    own = os.environ.get(DATA_VARIABLE)
    print(f"ok       data is looked for in {f'{own}, then ' if own else ''}{cache_directory('')}")
    failed = 0
    for offer, failure in import_all([*registry.available("model"), *registry.available("dataset")]):
        health.record(offer, failure)
        print(f"{'problem' if failure else 'ok     '}  {offer}{f': {failure}' if failure else ''}")
        failed += failure is not None
    return 1 if problems or failed else 0


def import_all(offers: list[PluginEntry]) -> list[tuple[PluginEntry, str | None]]:
    """Import each offer in another process; with each, why it failed, or None.

    A plugin that takes the process down costs only itself: the next process goes on with the one after it.
    """
    results: list[tuple[PluginEntry, str | None]] = []
    while len(results) < len(offers):
        rest = offers[len(results) :]
        names = [f"{offer.kind}:{offer.qualified_name}" for offer in rest]
        process = subprocess.run(
            [sys.executable, "-m", "dlpipe.plugins.import_check", *names],
            capture_output=True,
            text=True,
            check=False,
        )
        lines = [line for line in process.stdout.splitlines() if line.startswith(MARK)]
        answers = [json.loads(line.removeprefix(MARK)) for line in lines]
        results += list(zip(rest, answers, strict=False))
        if len(answers) < len(rest):
            message = (process.stderr.strip().splitlines() or ["no message"])[-1]
            results.append(
                (rest[len(answers)], f"the import ended the process (exit code {process.returncode}): {message}")
            )
    return results


def _mixed_lightning() -> list[str]:
    try:
        found = version("lightning")
    except PackageNotFoundError:
        return []
    return [f"lightning {found} is installed beside pytorch-lightning; a plugin that imports it does not work here"]


def _unknown_allowed() -> list[str]:
    names = sorted(set().union(*registry.allow_list()))
    known = {name for offer in registry.all_entries() for name in (offer.owner, offer.distribution)}
    return [
        f"{registry.ALLOW_VARIABLE} names {n!r}; installed: {format_list(sorted(known))}"
        for n in names
        if n not in known
    ]


def _shared_names() -> list[str]:
    problems = []
    for kind in registry.KINDS:
        offers = registry.available(kind)
        for name in sorted({offer.name for offer in offers}):
            same = [offer for offer in offers if offer.name == name]
            if len(same) > 1:
                ways = " or ".join(f"{kind}={offer.qualified_name}" for offer in same)
                problems.append(
                    f"{kind} {name!r} is offered by {format_list(o.distribution for o in same)}; choose with {ways}"
                )
    return problems


def _orphan_yaml() -> list[str]:
    """Config files that no entry point stands behind: nobody can choose them."""
    problems = []
    for distribution, folder in registry.plugin_conf_dirs().items():
        for kind in registry.KINDS:
            own = {offer.name for offer in registry.available(kind) if offer.distribution == distribution}
            for path in sorted((folder / kind).glob("*.yaml")):
                if path.stem not in own:
                    problems.append(f"{path} has no entry point {path.stem!r} in dlpipe.{kind}s of {distribution}")
    return problems
