"""What the shell offers after a verb; Hydra completes overrides, and knows no verbs."""

import contextlib
import os
from collections.abc import Iterator

from hydra.plugins.completion_plugin import CompletionPlugin

from dlpipe.cli.plugin_verbs import is_plugin_verb, plugin_verbs
from dlpipe.cli.verbs import FILTERS, VERBS
from dlpipe.config.experiments import experiments
from dlpipe.plugins import registry
from dlpipe.runs.listing import LAST

LINE = "COMP_LINE"  # the shell's variable: the command line up to the cursor


def offered_by_verbs() -> tuple[list[str], bool]:
    """The words that verbs offer for the command line, and whether Hydra has others to offer.

    After ``check`` come overrides, as after the NAME or RUN of other verbs; Hydra gets the line without these words.
    """
    line = CompletionPlugin.strip_python_or_app_name(os.environ[LINE])
    words = [*line.split(), *([""] if not line or line[-1].isspace() else [])]
    if len(words) == 1:
        return [verb for verb in (*VERBS, *plugin_verbs(), "help") if verb.startswith(words[0])], True
    verb, *before, word = words
    skipped = 1 if verb == "check" else 2
    if "overrides" in VERBS.get(verb, {}) and len(words) > skipped and not word.startswith("-"):
        os.environ[LINE] = " ".join(["dlpipe", *words[skipped:]])
        return [], True
    if is_plugin_verb(verb) and verb not in VERBS:
        return _paths(word), False
    if verb not in VERBS and verb != "help":
        return [], True
    return [choice for choice in _choices(verb, before, word) if choice.startswith(word)], False


def _choices(verb: str, before: list[str], word: str) -> Iterator[str]:
    arguments = VERBS.get(verb, {})
    if word.startswith("-"):
        yield from (flag for flags in arguments for flag in flags.split() if flag.startswith("-"))
    elif verb == "help":
        yield from (*VERBS, *plugin_verbs())
    elif verb == "show":
        yield from (entry.name for kind in registry.KINDS for entry in registry.available(kind))
        yield from registry.config_options("optimizer")
        yield from (experiment.name for experiment in experiments())
    elif verb == "runs":
        yield from (f"{key}=" for key in FILTERS)
        yield from (path for path in _paths(word) if path.endswith(os.sep))
    elif "run" in arguments and not before:
        yield LAST
        yield from (path for path in _paths(word) if path.endswith(os.sep))
    elif "file" in arguments or "files" in arguments:
        yield from _paths(word)


def _paths(word: str) -> list[str]:
    """The files and folders that continue a path; a folder ends with a slash."""
    folder, start = os.path.split(word)
    with contextlib.suppress(OSError), os.scandir(folder or ".") as entries:
        found = [entry for entry in entries if entry.name.startswith(start) and (start or entry.name[0] != ".")]
        return sorted(os.path.join(folder, entry.name) + (os.sep if entry.is_dir() else "") for entry in found)
    return []
