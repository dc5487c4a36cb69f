"""The arguments of a verb, read by argparse."""

import argparse
from typing import NoReturn

from dlpipe.did_you_mean import did_you_mean
from dlpipe.errors import Problem, RequestError


class VerbParser(argparse.ArgumentParser):
    """Raise `RequestError` where argparse would print the error and exit.

    Args:
        verb: its name, as the user types it.
        description: one line for ``--help``.
    """

    def __init__(self, verb: str, description: str = "") -> None:
        super().__init__(f"python -m dlpipe {verb}", description=description, add_help=False, allow_abbrev=False)
        self.verb = verb

    def parse_words(self, words: list[str]) -> argparse.Namespace:
        """Parse flags and arguments in any order; a verb that has declared ``overrides`` takes all other words there.

        Raises:
            RequestError: the verb does not accept these words; the message has its usage.
        """
        arguments, others = self.parse_known_intermixed_args(words)
        if "overrides" in arguments:
            arguments.overrides = others
        elif others:
            near = did_you_mean(others[0].partition("=")[0], self._option_string_actions)
            self._refuse(f"unrecognized arguments: {' '.join(others)}", near)
        return arguments

    def error(self, message: str) -> NoReturn:
        """Raise a RequestError with the message and the usage."""
        self._refuse(message)

    def _refuse(self, message: str, near: str = "") -> NoReturn:
        usage = " ".join(self.format_usage().split())
        raise RequestError([Problem(self.verb, f"{message}; {usage}{near and f'; {near.rstrip()}'}")])


def add_run(parser: VerbParser) -> None:
    """Add the argument RUN."""
    parser.add_argument("run", metavar="RUN", help="the directory of a run")


def add_run_and_trust(parser: VerbParser) -> None:
    """Add RUN and --trust, for a verb that executes what the config in the directory names."""
    add_run(parser)
    parser.add_argument("--trust", action="store_true", help="allow everything that the run's config names")
