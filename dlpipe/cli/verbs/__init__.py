"""What ``python -m dlpipe VERB`` does besides running: one file a verb."""

import importlib
from dataclasses import dataclass

from dlpipe.errors import Problem, RequestError


@dataclass(frozen=True)
class Verb:
    """How a verb is called: its words after ``python -m dlpipe``, and how many arguments it takes."""

    usage: str
    at_least: int
    at_most: int


ANY = 1_000_000
VERBS = {
    "list": Verb("list", 0, 0),
    "show": Verb("show NAME", 1, 1),
    "doctor": Verb("doctor", 0, 0),
    "check": Verb("check [-m] [OVERRIDE ...]", 0, ANY),
    "resume": Verb("resume RUN [--trust]", 1, 2),
    "reproduce": Verb("reproduce RUN [--trust]", 1, 2),
    "inspect": Verb("inspect FILE", 1, 1),
    "test": Verb("test RUN", 1, 1),
    "predict": Verb("predict RUN [--text TEXT] [FILE ...]", 1, ANY),
    "figures": Verb("figures RUN", 1, 1),
    "sample": Verb("sample RUN [-n COUNT] [--seed SEED]", 1, 5),
}


def run_verb(name: str, arguments: list[str]) -> int:
    """Run a verb; returns the exit code.

    Raises:
        RequestError: the arguments are not what the verb takes.
    """
    verb = VERBS[name]
    if not verb.at_least <= len(arguments) <= verb.at_most:
        raise RequestError([Problem(" ".join([name, *arguments]), f"usage: python -m dlpipe {verb.usage}")])
    module = importlib.import_module(f"dlpipe.cli.verbs.{name}")
    return int(module.main(*arguments))
