"""What ``python -m dlpipe VERB`` does besides running: one file a verb."""

import importlib

from dlpipe.errors import Problem, RequestError

USAGE = {"list": "list", "show": "show NAME", "doctor": "doctor"}


def run_verb(verb: str, arguments: list[str]) -> int:
    """Run a verb; returns the exit code.

    Raises:
        RequestError: the arguments are not what the verb takes.
    """
    wanted = len(USAGE[verb].split()) - 1
    if len(arguments) != wanted:
        raise RequestError([Problem(" ".join([verb, *arguments]), f"usage: python -m dlpipe {USAGE[verb]}")])
    module = importlib.import_module(f"dlpipe.verbs.{verb}_verb")
    return int(module.main(*arguments))
