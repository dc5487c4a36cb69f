"""Words and their numbers."""

import re
from collections.abc import Container, Sequence

UNKNOWN = "<UNK>"
DIGIT = "DIGIT"
CONTRACTION = re.compile(r"(\w+)('(?:s|d|m|ll|re|t|ve))")
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

    def __contains__(self, word: object) -> bool:
        return word in self._numbers

    def number(self, word: str) -> int:
        """The word's number, or that of `UNKNOWN`.

        Raises:
            KeyError: it is not there, and `UNKNOWN` isn't either.
        """
        found = self._numbers.get(word)
        return self._numbers[UNKNOWN] if found is None else found


def travel_words(text: str, known: Container[str] = ()) -> list[str]:
    """The words of a request, as those of ATIS were made.

    In lower case, without marks; contractions taken apart; each digit of a number the word `DIGIT`. What is ``known``
    stays whole: ``"What's at St. Louis, 7pm?"`` gives what 's at st. louis DIGIT pm where ``st.`` is known.

    Args:
        text: the request.
        known: words that are written so.
    """
    return [word for rough in text.lower().split() for word in _travel_word(rough.strip(',;:!?"()'), known)]


def _travel_word(word: str, known: Container[str]) -> list[str]:
    if word in known:
        return [word]
    if f"{word}." in known:
        return [f"{word}."]
    word = word.rstrip(".")
    contraction = CONTRACTION.fullmatch(word)
    if contraction:
        return [*_travel_word(contraction[1], known), contraction[2]]
    parts = re.findall(r"\d+|\D+", re.sub(r"(?<=\d):(?=\d)", "", word))
    return [DIGIT * len(part) if part.isdigit() else part for part in parts]


def read_words(words: list[str]) -> tuple[list[str], list[str]]:
    """The words of a text that a model reads, and a line that says so where these are not all."""
    if len(words) <= LONGEST_TEXT:
        return words, []
    return words[:LONGEST_TEXT], [f"only the first {LONGEST_TEXT} of {len(words)} words are read"]
