"""The exceptions that users see, and helpers for their messages."""

import contextlib
import errno
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

# what failed, and what to do, for errors of the system that no code is to blame for
SYSTEM_ERRORS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), ("written", "Free some space")),
    **dict.fromkeys(
        (errno.EROFS, errno.EACCES, errno.EPERM), ("opened", "Change who may use it, or work on a copy of its folder")
    ),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), ("opened", "Allow more open files (ulimit -n 1024)")),
}


class DlpipeError(Exception):
    """Base of all errors caused by a user, a plugin or a file; the message says what to do."""


class PluginError(DlpipeError):
    """A plugin is missing, broken, ambiguous, or violates the plugin contract."""


class DivergedError(DlpipeError):
    """Training gave numbers that are not finite, and was stopped."""


class PrunedError(DlpipeError):
    """Training was stopped because the run is hopeless beside others; raised by a callback, it is no failure."""


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


def check_size(source: object, declared: int, limit: int, meaning: str) -> None:
    """Refuse a declared size before memory is allocated for it.

    Args:
        source: what declares the size.
        declared: bytes.
        limit: bytes that are present or allowed.
        meaning: the limit in words, such as ``the file has``.

    Raises:
        DataError: more is declared.
    """
    if declared > limit:
        raise DataError(f"{source} declares {declared} bytes, but {meaning} {limit}")


@contextlib.contextmanager
def system_errors_in_one_line(afterwards: str = "") -> Iterator[None]:
    """Replace an OSError in `SYSTEM_ERRORS` by one line that says what to do.

    Args:
        afterwards: what to do after that; it continues the sentence.

    Raises:
        DlpipeError: naming the file.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in SYSTEM_ERRORS:
            raise
        failed, advice = SYSTEM_ERRORS[error.errno]
        file = error.filename or "a file"
        raise DlpipeError(f"{file} could not be {failed}: {error.strerror}. {advice}{afterwards}") from error
