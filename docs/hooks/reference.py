"""Pages generated from the code: config keys, verbs, callbacks, optional methods and the Python API."""

import contextlib
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import dlpipe
from dlpipe.cli.main import main
from dlpipe.cli.plugin_verbs import plugin_verbs
from dlpipe.cli.verbs import VERBS
from dlpipe.config.config_files import read_options
from dlpipe.plain_config import as_typed, flat
from dlpipe.plugins import registry

PACKAGE = re.compile(r"^# @package (\S+)", re.MULTILINE)
# where conf/config.yaml merges a group, if not at its own name
PACKAGES = {"recipe_for": "recipe", "optimizer_recipe": "recipe", "_global_": ""}
# what plugins may import besides dlpipe.data
FOR_PLUGINS = ("stages.Stage", "figures", "epoch_mean.EpochMean", "testing.check_model", "testing.contract_tests")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    for page in (config_keys, verbs, callbacks, optional_methods, python, datasets, plugins):
        files.append(_generated(page, config))
    return files


def _generated(page: Callable[[], Iterator[str]], config: MkDocsConfig) -> File:
    file = File.generated(config, f"docs/reference/{page.__name__}.md", content="\n\n".join(page()) + "\n")
    file.dest_uri = f"reference/{page.__name__}.html"
    return file


def config_keys() -> Iterator[str]:
    """Every key of every YAML file in the config tree."""
    yield "# Config keys"
    yield (
        "Every key with its default, by the file that has it. [Configuration](../configuration.md) says what the keys"
        " mean; `python -m dlpipe explain KEY` says where a run has a value from."
    )
    core = registry.conf_dir()
    for path in sorted(core.glob("*.yaml")):
        yield from _file_of_keys(f"## `{path.name}`", path, "_global_", f"conf/{path.name}")
    folders = {core: "conf"} | {folder: f"{folder.parent.name}/conf" for folder in registry.plugin_conf_dirs().values()}
    groups = {path.name for folder in folders for path in folder.iterdir() if path.is_dir()} - {"hydra"}
    for group in sorted(groups):
        yield f"## {group}"
        for folder, place in folders.items():
            for path in sorted((folder / group).rglob("*.yaml")):
                name = path.relative_to(folder / group).with_suffix("")
                yield from _file_of_keys(f"### `{group}={name}`", path, group, f"{place}/{group}/{name}.yaml")


def _file_of_keys(heading: str, path: Path, package: str, place: str) -> Iterator[str]:
    """A heading, the file, and the table of its keys."""
    yield heading
    yield f"In `{place}`."
    stated = PACKAGE.search(path.read_text(encoding="utf-8"))
    package = stated[1] if stated else package
    content = {name: value for name, value in read_options(path).items() if name != "defaults"}
    if content:
        rows = [
            f"| `{key}` | `{as_typed(value)}` |" for key, value in flat(content, PACKAGES.get(package, package)).items()
        ]
        yield "\n".join(["| key | default |", "|---|---|", *rows])


def verbs() -> Iterator[str]:
    """What each verb prints with ``--help``."""
    yield "# Verbs"
    yield "What `python -m dlpipe --help` and `python -m dlpipe VERB --help` print, with the bundled plugins installed."
    yield _help()
    for name in sorted({*VERBS, *plugin_verbs()}):
        yield f"## {name}"
        yield _help(name)


def _help(*words: str) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as output:
        main([*words, "--help"])
    return f"```text\n{output.getvalue().rstrip()}\n```"


def callbacks() -> Iterator[str]:
    """The callbacks of every run, and their arguments."""
    yield "# Callbacks"
    yield "Those of every run. Others can be added: [Lightning's callbacks](../callbacks.md)."
    for name, options in read_options(registry.conf_dir() / "callbacks" / "default.yaml").items():
        yield f"## {name}"
        yield f"::: {options['_target_']}\n    options: {{heading_level: 3, members: false}}"


def optional_methods() -> Iterator[str]:
    """The Protocols of ``dlpipe.contract``."""
    yield "# Optional methods"
    yield (
        "What dlpipe calls on modules, datasets, callbacks and loggers beyond what Lightning calls, where a class"
        " defines it. [Write a plugin](../plugin-tutorial.md) says when."
    )
    for name in ("Module", "DataModule", "Callback", "Logger"):
        yield f"::: dlpipe.contract.{name}\n    options: {{show_root_full_path: false}}"


def python() -> Iterator[str]:
    """The public names of ``import dlpipe``, errors last."""
    yield "# From Python"
    names = [name for name in dlpipe.__all__ if not name.startswith("_")]
    for name in sorted(names, key=lambda name: (name.endswith(("Error", "Problem")), name.lower())):
        yield f"::: dlpipe.{name}"


def datasets() -> Iterator[str]:
    """The public names of ``dlpipe.data``."""
    yield "# Datasets"
    yield "::: dlpipe.data\n    options: {show_root_heading: false}"


def plugins() -> Iterator[str]:
    """What else plugins may import."""
    yield "# Stages, figures, tests of plugins"
    for name in FOR_PLUGINS:
        yield f"::: dlpipe.{name}"
