"""The errors a user can meet, and the wording they share."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


class DlpipeError(Exception):
    """Base of every error that a user, a plugin or a file caused; its message says what to do."""


class PluginError(DlpipeError):
    """A plugin is missing, broken, ambiguous, or breaks the plugin contract."""


class DataError(DlpipeError):
    """Data is missing, damaged, or not what its config says."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a request: where, and what to do about it."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class RequestError(DlpipeError):
    """A request that cannot be run; holds every problem that one pass of checks found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(dict.fromkeys(problems))
        super().__init__("\n".join(f"  {problem}" for problem in self.problems))


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """``"did you mean 'lenet'? "`` for the nearest allowed word, or nothing where none is near."""
    near = difflib.get_close_matches(word, list(allowed), n=1)
    return f"did you mean {near[0]!r}? " if near else ""


def format_list(words: Iterable[Any]) -> str:
    """The words in order, separated by commas; ``none`` where there are none."""
    return ", ".join(str(word) for word in words) or "none"
