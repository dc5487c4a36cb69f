"""What a check of the plugin contract finds: the contract is kept, broken, or does not apply."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from dlpipe.testing.subject import Subject

T = TypeVar("T")


class Broken(AssertionError):  # noqa: N818  # read as: the contract is broken
    """The plugin breaks the contract; the message says what the contract asks, and how to mend it.

    Args:
        message: as above.
        check: the check that reports it; by default the one that raises it.
    """

    def __init__(self, message: str, check: str = "") -> None:
        super().__init__(message)
        self.check = check


class NotApplicable(Exception):  # noqa: N818  # no error
    """A check does not apply; the message is the reason."""


def require(condition: bool, message: str) -> None:
    """Raise `Broken` with the message unless the condition holds."""
    if not condition:
        raise Broken(message)


def check(function: Callable[["Subject"], T]) -> Callable[["Subject"], T]:
    """A check runs once for each subject. What it returns, or raises, is kept for the checks that start with it."""
    name = function.__name__

    @functools.wraps(function)
    def once(subject: "Subject") -> T:
        if name not in subject.results:
            subject.results[name] = _outcome(function, subject)
        result: Any = subject.results[name]
        if isinstance(result, (Broken, NotApplicable)):
            raise result
        return result  # type: ignore[no-any-return]  # a T

    return once


def _outcome(function: Callable[["Subject"], Any], subject: "Subject") -> Any:
    try:
        return function(subject)
    except Broken as error:
        error.check = error.check or function.__name__
        return error
    except NotApplicable as error:
        return error
    except Exception as error:  # the plugin's code may raise anything
        broken = Broken(f"{function.__name__} of {subject} failed: {type(error).__name__}: {error}", function.__name__)
        broken.__cause__ = error
        return broken
