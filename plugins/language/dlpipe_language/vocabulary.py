"""Words and their numbers."""

import hashlib
import json
import re
from collections.abc import Container, Sequence

from dlpipe import DataError

UNKNOWN = "<UNK>"
DIGIT = "DIGIT"
CONTRACTION = re.compile(r"(\w+)('(?:s|d|m|ll|re|t|ve))")
MAX_WORDS = 10_000  # of a text to predict; more would take gigabytes


class Vocabulary:
    """Words, numbered from 0 in the order given; other words count as `UNKNOWN` if that is among them.

    Args:
        words: without repetition.
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
            KeyError: neither the word nor `UNKNOWN` is in the vocabulary.
        """
        number = self._numbers.get(word)
        return self._numbers[UNKNOWN] if number is None else number


def check_counts(**options: tuple[int, int]) -> None:
    """Compare options of a dataset, such as num_words, with what it has: (configured, actual) of each.

    Raises:
        DataError: they differ.
    """
    for option, (configured, actual) in options.items():
        if configured != actual:
            raise DataError(f"dataset.{option}={configured}: there are {actual}; set it to {actual}")


def check_unchanged(sha256: str | None, names: Sequence[Sequence[str]], source: object) -> str:
    """The sha256 of names in the order of their numbers, which a trained model's weights depend on.

    Args:
        sha256: of the names with which the model was trained; None before that.
        names: words, and labels or classes.
        source: the files, for the message.

    Raises:
        DataError: the names have changed.
    """
    actual = hashlib.sha256(json.dumps([list(each) for each in names]).encode()).hexdigest()
    if sha256 not in (None, actual):
        raise DataError(
            f"{source} has other words or classes than when the run began, so that the numbers of the words mean other "
            "words: bring the files back as they were, or train a new run"
        )
    return actual


def travel_words(text: str, known: Container[str] = ()) -> list[str]:
    """The words of a request, tokenized as in ATIS.

    Lower case, without punctuation, contractions split, and `DIGIT` for each digit. Words in ``known`` are not changed:
    ``"What's at St. Louis, 7pm?"`` gives what 's at st. louis DIGIT pm where ``st.`` is known.

    Args:
        text: the request.
        known: words that contain punctuation, such as ``st.``.
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


def tagged_word(word: str) -> str:
    """A word of a tagged sentence as the vocabulary writes it: lower case, `DIGIT` for each digit, as in ATIS."""
    return word if word == UNKNOWN else DIGIT.join(part.lower() for part in re.split(rf"\d|{DIGIT}", word))


def truncate_words(words: list[str]) -> tuple[list[str], list[str]]:
    """At most `MAX_WORDS` words, and a line that says so if there were more."""
    if len(words) <= MAX_WORDS:
        return words, []
    return words[:MAX_WORDS], [f"only the first {MAX_WORDS} of {len(words)} words are read"]
