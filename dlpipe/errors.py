"""The exceptions that users see, and helpers for their messages."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


class DlpipeError(Exception):
    """Base of all errors caused by a user, a plugin or a file; the message says what to do."""


class PluginError(DlpipeError):
    """A plugin is missing, broken, ambiguous, or violates the plugin contract."""


class DivergedError(DlpipeError):
    """Training gave numbers that are not finite, and was stopped."""


class DataError(DlpipeError):
    """Data is missing, damaged, or does not match its config."""


@dataclass(frozen=True)
class Problem:
    """One error in a request: where it is, and what to do."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class RequestError(DlpipeError):
    """A request that cannot be run, with all problems that the checks found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(dict.fromkeys(problems))
        super().__init__("\n".join(f"  {problem}" for problem in self.problems))


def refuse(problems: Iterable[Problem]) -> None:
    """Raise a RequestError with all problems, if there are any."""
    if found := list(problems):
        raise RequestError(found)


def format_list(words: Iterable[Any]) -> str:
    """The words separated by commas; ``none`` if there are no words."""
    return ", ".join(str(word) for word in words) or "none"
