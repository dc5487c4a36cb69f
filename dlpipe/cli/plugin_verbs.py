"""Verbs that plugins register in ``dlpipe.verbs``: functions of the words after the verb, which return an exit code."""

import sys

from dlpipe.cli.verbs import VERBS
from dlpipe.errors import PluginError
from dlpipe.plugins import class_source, health, registry
from dlpipe.plugins.load_entry import load_entry


def is_plugin_verb(word: str) -> bool:
    """Whether a plugin registers a verb as ``word``, or as ``distribution/name``; also one that is denied."""
    return any(word in (entry.name, entry.qualified_name) for entry in registry.entries_of_kind("verb"))


def plugin_verbs() -> dict[str, str]:
    """What to type for each verb of a plugin, and the first line of its docstring; nothing is imported."""
    entries = registry.available("verb")
    names = [*VERBS, *(entry.name for entry in entries)]
    verbs = {}
    for entry in entries:
        found = class_source.read_class(entry)
        name = entry.name if names.count(entry.name) == 1 else entry.qualified_name
        verbs[name] = found.docstring.partition("\n")[0] if found else ""
    return verbs


def run_plugin_verb(name: str, words: list[str]) -> int:
    """Execute a verb of a plugin; returns its exit code, which is 0 for None and argparse's where that exits.

    Raises:
        PluginError: several plugins register it, it is denied, its import fails, or it is no function.
    """
    entry = registry.find("verb", name)
    function = load_entry(entry)
    if not callable(function):
        raise PluginError(f"{entry} is {function!r}, not a function of the words after the verb")
    health.record(entry, None)
    try:
        return int(function(words) or 0)
    except SystemExit as exit_:  # argparse prints its help, or an error, and exits
        if isinstance(exit_.code, str):
            print(exit_.code, file=sys.stderr)
        return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
