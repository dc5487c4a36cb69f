"""Arguments of a verb; what it does not take is told as every bad request is."""

import argparse
from typing import NoReturn

from dlpipe.cli.verbs import VERBS
from dlpipe.errors import Problem, RequestError


class Parser(argparse.ArgumentParser):
    """Of the verb's words.

    Args:
        verb: its name.

    Raises:
        RequestError: from `parse_args`, of words that it does not take.
    """

    def __init__(self, verb: str) -> None:
        super().__init__(add_help=False)
        self.verb = verb

    def error(self, message: str) -> NoReturn:
        """Tell what is wrong, and the usage."""
        raise RequestError([Problem(self.verb, f"{message}; usage: python -m dlpipe {VERBS[self.verb].usage}")])


def run_parser(verb: str) -> Parser:
    """The arguments of a verb that runs the config in a run's directory: ``RUN [--trust]``."""
    parser = Parser(verb)
    parser.add_argument("run")
    parser.add_argument("--trust", action="store_true")
    return parser
