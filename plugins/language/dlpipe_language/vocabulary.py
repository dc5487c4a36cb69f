"""Words and their numbers."""

import re
from collections.abc import Sequence

UNKNOWN = "<UNK>"
DIGIT = "DIGIT"
LONGEST_TEXT = 10_000  # words; more would take gigabytes


class Vocabulary:
    """Words, numbered from 0 in the order given; others are `UNKNOWN`, where that is among them.

    Args:
        words: each once.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        self._numbers = {word: number for number, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self._numbers

    def number(self, word: str) -> int:
        """The word's number, or that of `UNKNOWN`.

        Raises:
            KeyError: it is not there, and `UNKNOWN` isn't either.
        """
        found = self._numbers.get(word)
        return self._numbers[UNKNOWN] if found is None else found


def travel_words(text: str) -> list[str]:
    """The words of a request, as those of ATIS were made: lower case, each digit the word `DIGIT`, without marks.

    ``"Flights to St. Louis, at 1030"`` gives flights to st. louis at DIGITDIGITDIGITDIGIT.
    """
    words = [word.strip(',;:!?"()') for word in text.lower().split()]
    words = [word[:-1] if word.endswith(".") and len(word) > 4 else word for word in words]
    return [re.sub(r"\d", DIGIT, word) for word in words if word]


def read_words(words: list[str]) -> tuple[list[str], list[str]]:
    """The words of a text that a model reads, and a line that says so where these are not all."""
    if len(words) <= LONGEST_TEXT:
        return words, []
    return words[:LONGEST_TEXT], [f"only the first {LONGEST_TEXT} of {len(words)} words are read"]
