"""The verbs of ``python -m dlpipe VERB``: one module each, imported after its arguments are read: many need torch."""

import argparse
import ast
import functools
import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from dlpipe.cli.console import print_opening
from dlpipe.cli.torch_import import torch_imported_without_collections
from dlpipe.did_you_mean import did_you_mean
from dlpipe.errors import Problem, RequestError, format_list
from dlpipe.runs.listing import find_run

Arguments = dict[str, dict[str, Any]]  # a name, or flags separated by spaces -> keywords of argparse's add_argument


def _integer_from(least: int) -> Callable[[str], int]:
    """The type of an argument that is a whole number from ``least``."""

    def integer(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least}, not {text!r}")
        return int(text)

    return integer


def _one_of(words: Sequence[str]) -> Callable[[str], str]:
    """The type of an argument that is one of these words."""

    def word(text: str) -> str:
        if text not in words:
            near = did_you_mean(text, words)
            raise argparse.ArgumentTypeError(f"must be one of {format_list(words)}, not {text!r}; {near}".rstrip("; "))
        return text

    return word


RUN: Arguments = {"run": {"metavar": "RUN", "help": "the directory of a run; last: the latest in outputs/"}}
# for a verb that executes what the config in the directory names
TRUST: Arguments = {"--trust": {"action": "store_true", "help": "allow everything that the run's config names"}}
CONFIG_DIR: Arguments = {
    "-cd --config-dir": {
        "metavar": "DIR",
        "action": "append",
        "default": [],
        "help": "add a folder of your own YAML to the config",
    }
}

FILTERS = ("model", "dataset", "status", "seed")  # of the runs that are listed
SORTED_BY = ("started", "best", "test", "duration", "model")

VERBS: dict[str, Arguments] = {
    "list": CONFIG_DIR,
    "show": {
        "name": {"metavar": "NAME", "help": "a model, a dataset, an optimizer or an experiment"},
        "overrides": {
            "metavar": "OVERRIDE",
            "nargs": "*",
            "default": [],
            "help": "as for a run: dataset=mnist shows a model's recipe there",
        },
        **CONFIG_DIR,
    },
    "explain": {
        "key": {"metavar": "KEY", "help": "of the config, as optimizer.lr"},
        "words": {
            "metavar": "OVERRIDE",
            "nargs": "*",
            "default": [],
            "help": "as for a run; or the directory of a run, whose overrides count",
        },
        **CONFIG_DIR,
    },
    "doctor": {},
    "check": {
        "-m": {"action": "store_true", "help": "a sweep"},
        **CONFIG_DIR,
        "overrides": {"metavar": "OVERRIDE", "nargs": "*", "default": [], "help": "as for a run"},
    },
    "save": {
        "name": {"metavar": "NAME", "help": "of the experiment"},
        "overrides": {"metavar": "OVERRIDE", "nargs": "*", "default": [], "help": "as for a run"},
        "--run": {"metavar": "RUN", "help": "take the overrides of this run"},
        "--to": {
            "metavar": "DIR",
            "type": Path,
            "help": "write DIR/experiment/NAME.yaml (default: DLPIPE_CONF or conf)",
        },
        "--force": {"action": "store_true", "help": "replace an experiment of this name"},
        **CONFIG_DIR,
    },
    "resume": {
        **RUN,
        "overrides": {
            "metavar": "OVERRIDE",
            "nargs": "*",
            "default": [],
            "help": "change what may change: a length, a logger, ...",
        },
        "--failed": {"action": "store_true", "help": "of a sweep: also run the jobs again that have failed"},
        "--force": {"action": "store_true", "help": "of a sweep: although code or configs are others than before"},
        **CONFIG_DIR,
        **TRUST,
    },
    "runs": {
        "words": {
            "metavar": "DIR or KEY=VALUE",
            "nargs": "*",
            "default": [],
            "help": "the folder of the runs (default: outputs), "
            f"and what they must have: {format_list(f'{key}=' for key in FILTERS)}; a comma separates alternatives",
        },
        "-n --count": {
            "metavar": "COUNT",
            "type": _integer_from(1),
            "help": "how many runs (default: 20; with --json: all)",
        },
        "--sort": {
            "metavar": "KEY",
            "type": _one_of(SORTED_BY),
            "default": SORTED_BY[0],
            "help": f"{format_list(SORTED_BY)} (default: {SORTED_BY[0]}, the latest first)",
        },
        "--json": {"action": "store_true", "help": "print a list of objects"},
    },
    "status": {
        "sweep": {"metavar": "SWEEP", "help": "the directory of a sweep, running or not"},
        "--significance": {"action": "store_true", "help": "compare the two best settings over the seeds they share"},
    },
    "reproduce": RUN | TRUST,
    "inspect": {
        "file": {"metavar": "FILE", "type": Path, "help": "a checkpoint (.ckpt)"},
        "--all": {"action": "store_true", "help": "also the tensors of optimizers, loops and callbacks"},
    },
    "test": RUN,
    "predict": {
        **RUN,
        "files": {
            "metavar": "FILE",
            "nargs": "*",
            "default": [],
            "help": "images (PNG, idx), or a text a line; - reads stdin",
        },
        "--text": {"metavar": "TEXT", "help": "one text, for a model of texts"},
        "--all": {"action": "store_true", "help": "write the predictions of the whole test set to RUN/predictions/"},
    },
    "figures": RUN,
    "sample": {
        **RUN,
        "-n --count": {
            "metavar": "COUNT",
            "type": _integer_from(1),
            "default": 100,
            "help": "how many samples (default: 100)",
        },
        "--seed": {"metavar": "SEED", "type": _integer_from(0), "help": "default: the run's own seed"},
    },
}

# check says so when it has found no error without PyTorch
IMPORT_TORCH = VERBS.keys() - {"list", "show", "explain", "check", "save", "runs", "status"}


def run_verb(name: str, words: list[str]) -> int:
    """Execute a verb, or print its help; returns the exit code. A RequestError refuses wrong arguments."""
    parser = _Parser(name, VERBS[name])
    if "-h" in words or "--help" in words:
        parser.description = _description(name)
        print(parser.format_help(), end="")
        return 0
    # a request is read by dlpipe.cli.flags, as for a run
    arguments = argparse.Namespace(words=words) if name == "check" else parser.parse_words(words)
    if name == "resume":
        arguments.run, arguments.overrides = _run_and_overrides([arguments.run, *arguments.overrides])
    if getattr(arguments, "run", None) is not None:  # `save` may be without
        arguments.run = str(find_run(arguments.run))
    if name in IMPORT_TORCH:
        print_opening(name, arguments.run if "run" in arguments else getattr(arguments, "file", ""))
    with torch_imported_without_collections():
        verb = importlib.import_module(f"dlpipe.cli.verbs.{name}")
    return int(verb.main(arguments))


def _run_and_overrides(words: list[str]) -> tuple[str, list[str]]:
    """The run, which may have a = in its name, and the overrides, in any order."""
    runs = [word for word in words if not ("=" in word or word.startswith("~")) or Path(word).is_dir()]
    if len(runs) != 1:
        there_are = f"there are {format_list(runs)}" if runs else "there is none"
        raise RequestError([Problem("resume", f"takes one RUN, and overrides as key=value; {there_are}")])
    return runs[0], [word for word in words if word != runs[0]]


def _description(name: str) -> str | None:
    """The docstring of the verb's module, which is not imported for it."""
    return ast.get_docstring(ast.parse(Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")))


class _Parser(argparse.ArgumentParser):
    """Raise `RequestError` where argparse would print the error and exit."""

    def __init__(self, verb: str, arguments: Arguments) -> None:
        in_one_line = functools.partial(argparse.HelpFormatter, width=100)  # the longest usage
        super().__init__(f"python -m dlpipe {verb}", add_help=False, allow_abbrev=False, formatter_class=in_one_line)
        self.verb = verb
        for flags, keywords in arguments.items():
            self.add_argument(*flags.split(), **keywords)

    def parse_words(self, words: list[str]) -> argparse.Namespace:
        arguments, others = self.parse_known_intermixed_args(words)
        if others:
            if "overrides" in arguments:
                self._correct(words)
            near = did_you_mean(others[0].partition("=")[0], self._option_string_actions)
            self._refuse(f"unrecognized arguments: {' '.join(others)}", near)
        return arguments

    def _correct(self, words: list[str]) -> None:
        """Refuse ``--dataset mnist`` after a verb and its NAME or RUN with the line to type, if there is one."""
        from dlpipe.cli.corrections import correction

        if problem := correction(words[1:], [self.verb, words[0]]):
            raise RequestError([problem])

    def error(self, message: str) -> NoReturn:
        self._refuse(message)

    def _refuse(self, message: str, near: str = "") -> NoReturn:
        usage = " ".join(self.format_usage().split())
        raise RequestError([Problem(self.verb, f"{message}; {usage}{near and f'; {near.rstrip()}'}")])
