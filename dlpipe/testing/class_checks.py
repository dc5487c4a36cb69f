"""Checks of a model or a dataset that need nothing but its class."""

import json
import subprocess
import sys
from types import ModuleType
from typing import Any

from dlpipe.errors import PluginError, format_list
from dlpipe.plugins import class_source
from dlpipe.plugins.load_class import load_class
from dlpipe.plugins.registry import PluginEntry
from dlpipe.testing.result import Broken, check, require
from dlpipe.testing.subject import Subject

# in a process of its own: finds the plugins, reads what `list` shows, composes the config of each
LISTING = """
import json, sys
sys.path[:], choices, modules = json.loads(sys.argv[1])
from dlpipe.config.checks import config_checks
from dlpipe.errors import DlpipeError
from dlpipe.plugins import class_source, health, registry
for entry in registry.all_entries():
    class_source.read_class(entry), health.status(entry)
for choice in choices:
    try:
        config_checks.check([choice], multirun=False, output_key=None)
    except DlpipeError:
        pass
print(json.dumps([name for name in modules if name in sys.modules]))
"""


def imported_by_listing(entries: list[PluginEntry]) -> list[str]:
    """Which of torch and the entries' modules are imported where plugins are listed and configs composed."""
    choices = [f"{entry.kind}={entry.name}" for entry in entries]
    modules = ["torch", *sorted({entry.entry_point.module for entry in entries})]
    arguments = json.dumps([sys.path, choices, modules])
    listing = subprocess.run([sys.executable, "-c", LISTING, arguments], capture_output=True, text=True, check=False)
    if listing.returncode:
        raise Broken(f"the installed plugins cannot be listed:\n{listing.stderr}")
    return list(json.loads(listing.stdout.splitlines()[-1]))


@check
def listing_imports_no_plugin(subject: Subject) -> None:
    """The listing of plugins and the composition of a config import neither torch nor the plugin."""
    found = [name for name in subject.imported() if name in ("torch", subject.entry.entry_point.module)]
    require(
        not found,
        f"to list plugins, or to compose the config of {subject}, imports {format_list(found)}; list and show must "
        f"start at once. Import them where they are needed: not in hydra_plugins/, a .pth file or a resolver",
    )


@check
def built_on_pytorch_lightning(subject: Subject) -> type[Any]:
    """The entry point gives a class that is built on `pytorch_lightning`, and its package uses no `lightning`."""
    try:
        loaded = load_class(subject.kind, subject.name)
    except PluginError as error:
        raise Broken(str(error)) from error
    package = subject.entry.package
    modules = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] == package]
    mixed = [f"{module.__name__}.{name}" for module in modules for name in _of_lightning(module)]
    require(
        not mixed,
        f"{format_list(sorted(mixed))} {'come' if mixed[1:] else 'comes'} from `lightning`, dlpipe from "
        "`pytorch_lightning`: the two do not mix. Change the import to `import pytorch_lightning`",
    )
    return loaded


def _of_lightning(module: ModuleType) -> list[str]:
    """The names of a module that were imported from the package `lightning`."""
    found = []
    for name, value in list(vars(module).items()):
        origin = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if isinstance(origin, str) and origin.partition(".")[0] == "lightning":
            found.append(name)
    return found


@check
def has_a_docstring(subject: Subject) -> None:
    """The class has a docstring, whose first line `list` prints."""
    source = class_source.read_class(subject.entry)
    docstring = source.docstring if source else vars(built_on_pytorch_lightning(subject)).get("__doc__")
    require(
        bool((docstring or "").partition("\n")[0].strip()),
        f"the class of {subject} has no docstring; `list` and `show` print its first line. Say in one what it is, "
        "such as: Softmax regression, p(y | x) = softmax(W x + b)",
    )
