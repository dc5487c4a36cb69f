"""CoNLL's form: a line for each word and its tag, and an empty line between sentences."""

import itertools
from collections.abc import Container, Iterator
from typing import NamedTuple

from dlpipe_language.text_lines import decode, numbered_lines
from dlpipe_language.vocabulary import MAX_WORDS

Lines = list[tuple[int, bytes]]  # of a sentence, with their numbers from 1
ADVICE = "expected a word and its tag; of more columns keep two, for example with awk '{print $1, $NF}'"


class Sentence(NamedTuple):
    """Words and their tags; ``line`` is the number of its first line."""

    line: int
    words: list[str]
    tags: list[str]


class BadLineError(ValueError):
    """A line that cannot be used: its number, and the reason."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


def sentence_blocks(content: bytes) -> Iterator[Lines]:
    """The lines of each sentence."""
    for is_blank, block in itertools.groupby(numbered_lines(content), key=lambda numbered: not numbered[1].strip()):
        if not is_blank:
            yield list(block)


def tagged_sentence(lines: Lines) -> Sentence:
    """A sentence from its lines.

    Raises:
        BadLineError: a line has not two columns or is not UTF-8, or there are more lines than `MAX_WORDS`.
    """
    first = lines[0][0]
    if len(lines) > MAX_WORDS:
        raise BadLineError(first, f"begins a sentence of {len(lines)} words; put an empty line after each sentence")
    rows = [_columns(number, line, (2,)) for number, line in lines]
    return Sentence(first, [word for word, _ in rows], [tag for _, tag in rows])


def untagged_sentences(content: str) -> list[str]:
    """The words of each sentence, separated by spaces; a line may have a tag.

    Raises:
        BadLineError: a line has more columns.
    """
    blocks = sentence_blocks(content.encode())
    return [" ".join(_columns(number, line, (1, 2))[0] for number, line in lines) for lines in blocks]


def _columns(number: int, line: bytes, counts: Container[int]) -> list[str]:
    try:
        columns = decode(line).split()
    except ValueError as error:
        raise BadLineError(number, str(error)) from error
    if len(columns) not in counts:
        has = f"has the word {columns[0]!r} and no tag" if len(columns) == 1 else f"has {len(columns)} columns"
        raise BadLineError(number, f"{has}; {ADVICE}")
    return columns
