"""List the installed models, datasets, optimizers, plugins and their verbs, and the experiments."""

import argparse
from collections import Counter
from collections.abc import Sequence

from dlpipe.cli.flags import use_config_dirs
from dlpipe.config.experiments import experiments
from dlpipe.plugins import class_source, health, registry
from dlpipe.plugins.registry import PluginEntry


def main(arguments: argparse.Namespace) -> int:
    """Print a table of each kind; no plugin is imported."""
    use_config_dirs(arguments.config_dir)
    for kind in (*registry.KINDS, "verb"):
        rows = [(_name(entry), entry.distribution, _first_line(entry)) for entry in registry.available(kind)]
        if rows or kind != "verb":
            _print_table(f"{kind}s", rows)
    _print_table("optimizers", [(name, "", "") for name in registry.config_options("optimizer")])
    _print_table("experiments", _experiment_rows(), "none")
    _print_table("plugins", _plugin_rows())
    return 0


def _name(entry: PluginEntry) -> str:
    """The name to type: qualified if two distributions register it."""
    same = [other for other in registry.available(entry.kind) if other.name == entry.name]
    return entry.name if len(same) == 1 else entry.qualified_name


def _first_line(entry: PluginEntry) -> str:
    """The first line of the docstring, or what is wrong with the entry."""
    status = health.status(entry)
    found = class_source.read_class(entry)
    return status if status != "ok" else (found.docstring.partition("\n")[0] if found else "")


def _experiment_rows() -> list[tuple[str, str, str]]:
    """The name to type, qualified if two folders have it, and the owner."""
    found = experiments()
    count = Counter(item.name for item in found)
    return [(item.name if count[item.name] == 1 else item.qualified_name, item.owner, "") for item in found]


def _plugin_rows() -> list[tuple[str, str, str]]:
    """Name, version and status of each distribution: the first status of its entries that is not ok."""
    rows: dict[str, tuple[str, str, str]] = {}
    for entry in registry.all_entries():
        status = health.status(entry)
        earlier = rows.get(entry.distribution)
        if earlier is None or earlier[2] == "ok":
            message = f"{entry.name}: {status}" if status.startswith("broken") else status
            rows[entry.distribution] = (entry.distribution, entry.version, message)
    return [rows[name] for name in sorted(rows)]


def _print_table(title: str, rows: Sequence[tuple[str, str, str]], empty: str = "none installed") -> None:
    print(title)
    if not rows:
        print(f"  {empty}")
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    for name, distribution, message in rows:
        print(f"  {name:{widths[0]}}  {distribution:{widths[1]}}  {message}".rstrip())
    print()
