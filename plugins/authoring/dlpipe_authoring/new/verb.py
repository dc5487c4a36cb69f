"""The arguments of ``python -m dlpipe new``; importing this file imports neither torch nor jinja2."""

import argparse
from pathlib import Path

KINDS = ("model", "dataset", "callback")


def new(words: list[str]) -> None:
    """Write a new plugin that passes its tests, or add a model, dataset or callback to one."""
    parser = _parser()
    arguments = parser.parse_args(words)
    names = {kind: name for kind in KINDS if (name := getattr(arguments, kind)) is not None}
    if arguments.plugin is None and not names:
        parser.error("give the name of a new plugin, such as acme; or --model, --dataset or --callback NAME")
    folder = Path(arguments.plugin or ".")
    if arguments.plugin is None or (folder / "pyproject.toml").is_file():
        if arguments.directory is not None:
            parser.error(f"{folder} is a plugin already; leave out {arguments.directory}")
        from dlpipe_authoring.new.add import add_to_plugin

        add_to_plugin(folder, names)
    else:
        from dlpipe_authoring.new.create import create_plugin

        create_plugin(arguments.plugin, arguments.directory, names)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m dlpipe new", description=new.__doc__, allow_abbrev=False)
    parser.add_argument(
        "plugin",
        metavar="PLUGIN",
        nargs="?",
        help="the name of a new plugin, such as acme; or the folder of a plugin to add to, by default this one",
    )
    parser.add_argument(
        "directory", metavar="DIR", nargs="?", type=Path, help="the folder of the new plugin; default: dlpipe-PLUGIN"
    )
    parser.add_argument("--model", metavar="NAME", help="add a model; of a new plugin, the name of its model")
    parser.add_argument("--dataset", metavar="NAME", help="add a dataset; of a new plugin, the name of its dataset")
    parser.add_argument("--callback", metavar="NAME", help="add a callback of Lightning")
    return parser
