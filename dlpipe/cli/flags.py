"""Separate the flags of a command line from its overrides: they may be mixed here, but Hydra wants flags first."""

import argparse
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from dlpipe.did_you_mean import did_you_mean
from dlpipe.errors import Problem, RequestError, refuse
from dlpipe.plugins import registry

CONFIG_DIR = re.compile(r" (?:-cd|--config-dir)[ =]+(\S+)")
COMPLETION, SHELLS = ("install", "uninstall", "query"), ("bash", "fish", "zsh")
INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
# Hydra's flags that would hide the config from dlpipe's checks, and what to do instead
ONE_CONFIG = "there is one config; save a set-up of your own as an experiment, and choose it with experiment=NAME"
REFUSED = {
    ("-cn", "--config-name"): ONE_CONFIG,
    ("-cp", "--config-path"): "the config tree is dlpipe's own; add a folder of your own YAML with -cd DIR",
    ("--experimental-rerun",): "it would unpickle a config; run it again with python -m dlpipe reproduce RUN",
}


@dataclass(frozen=True)
class Request:
    """A command line."""

    overrides: list[str]
    multirun: bool
    print_only_flags: list[str]  # those that print something and run nothing, in Hydra's form
    config_dirs: list[Path]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise RequestError([Problem("", f"{message}; see --help")])


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="dlpipe", add_help=False, allow_abbrev=False)
    parser.add_argument("-m", "--multirun", action="store_true")
    parser.add_argument("-r", "--run", action="store_true")  # Hydra's name for what happens without a flag
    parser.add_argument("-i", "--info", choices=INFO)
    for flags in REFUSED:
        parser.add_argument(*flags)
    parser.add_argument("-c", "--cfg", choices=["job", "hydra", "all"])
    parser.add_argument("--resolve", action="store_true")
    parser.add_argument("-p", "--package")
    parser.add_argument("--hydra-help", action="store_true")
    parser.add_argument("-sc", "--shell-completion", choices=[f"{do}={shell}" for do in COMPLETION for shell in SHELLS])
    parser.add_argument("-cd", "--config-dir", action="append", default=[])
    return parser


def flag_names() -> tuple[set[str], set[str]]:
    """The flags that take a value, and those that do not."""
    actions = _parser()._option_string_actions
    with_value = {name for name, action in actions.items() if action.nargs is None}
    return with_value, actions.keys() - with_value


def parse(arguments: list[str]) -> Request:
    """Read a command line; a RequestError says which flags, values or folders are wrong."""
    parser = _parser()
    found, overrides = parser.parse_known_args(_with_info(arguments))
    problems = [Problem(flags[-1], why) for flags, why in REFUSED.items() if _value(found, flags[-1]) is not None]
    problems += [_unknown(word, parser) for word in overrides if word.startswith("-")]
    if (found.resolve or found.package) and not found.cfg:
        problems.append(Problem("--resolve" if found.resolve else "--package", "goes with --cfg"))
    if str(found.shell_completion).startswith("query") and "COMP_LINE" not in os.environ:
        problems.append(Problem(f"-sc {found.shell_completion}", "is called by the shell, which sets COMP_LINE"))
    folders = [Path(folder).absolute() for folder in found.config_dir]
    problems += _folder_problems(folders)
    refuse(problems)
    return Request(overrides, found.multirun, _print_only_flags(found), folders or _completed_folders(found))


def use_config_dirs(texts: list[str]) -> None:
    """Add the folders of a verb's ``--config-dir`` to the config; a RequestError names those that do not exist."""
    folders = [Path(text).absolute() for text in texts]
    refuse(_folder_problems(folders))
    registry.user_conf_dirs[:] = folders


def _folder_problems(folders: list[Path]) -> list[Problem]:
    return [Problem(f"--config-dir {folder}", "no such folder") for folder in folders if not folder.is_dir()]


def _completed_folders(found: argparse.Namespace) -> list[Path]:
    """The folders of ``--config-dir`` in the line that the shell completes."""
    if not str(found.shell_completion).startswith("query"):
        return []
    folders = [Path(text).absolute() for text in CONFIG_DIR.findall(os.environ["COMP_LINE"])]
    return [folder for folder in folders if folder.is_dir()]  # its name may not be complete


def _with_info(arguments: list[str]) -> list[str]:
    """``--info`` may have a value; where an override follows, argparse would take it for the value."""
    values = [*arguments[1:], ""]
    pairs = zip(arguments, values, strict=False)  # without arguments there is no pair
    return [f"--info={INFO[0]}" if word in ("-i", "--info") and value not in INFO else word for word, value in pairs]


def _value(found: argparse.Namespace, flag: str) -> str | None:
    value: str | None = getattr(found, flag.lstrip("-").replace("-", "_"))
    return value


def _unknown(word: str, parser: argparse.ArgumentParser) -> Problem:
    known = [name for action in parser._actions for name in action.option_strings]
    return Problem(word, f"no such flag; {did_you_mean(word.partition('=')[0], known)}see --help")


def _print_only_flags(found: argparse.Namespace) -> list[str]:
    flags = ["--hydra-help"] if found.hydra_help else []
    flags += ["--shell-completion", found.shell_completion] if found.shell_completion else []
    flags += ["--info", found.info] if found.info else []
    if found.cfg:
        flags += ["--cfg", found.cfg, *(["--resolve"] if found.resolve else [])]
        flags += ["--package", found.package] if found.package else []
    return flags
