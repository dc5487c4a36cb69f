"""Synthetic requests for flights: a small ATIS that needs no files."""

import functools
import hashlib
import random
from collections.abc import Iterator
from typing import Any

from dlpipe.data import SequenceSplit, SplitName
from dlpipe_language.sentences import LabelledSentences, labelled
from dlpipe_language.vocabulary import UNKNOWN, Vocabulary, travel_words

SIZES: dict[SplitName, int] = {"train": 600, "val": 150, "test": 150}
OPENINGS = ("i want", "show me", "list", "i need", "please find", "what are the", "are there any", "give me the")
FLIGHTS = ("flights", "a flight", "the cheapest flights", "nonstop flights", "morning flights", "all flights")
CITIES = (
    *("boston", "denver", "atlanta", "pittsburgh", "baltimore", "dallas", "oakland", "philadelphia", "phoenix"),
    *("san francisco", "new york", "las vegas", "salt lake city", "st. louis", "kansas city", "washington"),
)
AIRLINES = ("delta", "united", "american airlines", "continental", "us air", "northwest airlines", "twa")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = ("april", "may", "june", "july", "august", "september", "november", "december")
ORDINALS = ("first", "second", "third", "fifth", "eighth", "tenth", "twelfth", "twentieth")
TIMES = ("morning", "afternoon", "evening", "noon", "night")
ABBREVIATIONS = ("st.",)
RELATIVE = ("before", "after", "around")


class SyntheticFlights(LabelledSentences):
    """Synthetic: 600 train, 150 val and 150 test requests written by a grammar, labelled with their slots.

    The same sentences for every seed. Earlier words decide whether a city is the origin or the destination, and whether
    a day is of departure or of arrival; some of them are several words away.

    Args:
        options: as for `LabelledSentences`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.vocabulary, self.labels = Vocabulary(_generate()[0]), _generate()[1]

    def words_of(self, text: str) -> list[str]:
        """The words of a request."""
        return travel_words(text, self.vocabulary)

    def load_splits(self) -> dict[SplitName, SequenceSplit]:
        """Sentences of words (x) and labels (y)."""
        labels = {label: number for number, label in enumerate(self.labels)}
        return {
            name: labelled(
                [[self.vocabulary.number(word) for word, _ in sentence] for sentence in sentences],
                [[labels[label] for _, label in sentence] for sentence in sentences],
                self.num_words,
            )
            for name, sentences in _generate()[2].items()
        }

    def checksums(self) -> dict[str, str]:
        """sha256 over the sentences of each split."""
        return {
            name: hashlib.sha256(repr(sentences).encode()).hexdigest() for name, sentences in _generate()[2].items()
        }


Sentence = list[tuple[str, str]]  # words and their labels


@functools.cache
def _generate() -> tuple[list[str], list[str], dict[SplitName, list[Sentence]]]:
    """Words and labels, in alphabetical order, and the sentences of each split."""
    draw = random.Random(0)
    splits = {name: [list(_request(draw)) for _ in range(size)] for name, size in SIZES.items()}
    words = sorted({word for sentence in splits["train"] for word, _ in sentence})
    labels = sorted({label for sentences in splits.values() for sentence in sentences for _, label in sentence})
    return [UNKNOWN, *words], labels, splits


def _request(draw: random.Random) -> Iterator[tuple[str, str]]:
    """A sentence, word by word, with the label of each."""
    yield from _outside(draw.choice(OPENINGS))
    yield from _outside(draw.choice(FLIGHTS))
    if draw.random() < 0.3:
        yield from _outside("on")
        yield from _slot("airline_name", draw.choice(AIRLINES))
    start, end = draw.sample(CITIES, 2)
    legs = [("from", "fromloc.city_name", start), ("to", "toloc.city_name", end)]
    if draw.random() < 0.3:
        legs.reverse()
    for word, kind, city in legs:
        yield from _outside({"from": draw.choice(("from", "leaving")), "to": draw.choice(("to", "that go to"))}[word])
        yield from _slot(kind, city)
    if draw.random() < 0.2:
        yield from _outside("with a stop in")
        yield from _slot("stoploc.city_name", draw.choice([city for city in CITIES if city not in (start, end)]))
    if draw.random() < 0.7:
        yield from _when(draw)


def _when(draw: random.Random) -> Iterator[tuple[str, str]]:
    """A day or a date and a time, of departure or of arrival."""
    kind = draw.choice(("depart", "arrive"))
    opening = draw.choice({"depart": ("", "departing"), "arrive": ("arriving", "that arrive")}[kind])
    yield from _outside(opening)
    date = draw.random()
    if date < 0.5:
        yield from _outside("on")
        yield from _slot(f"{kind}_date.day_name", draw.choice(DAYS))
    elif date < 0.8:
        yield from _outside("on")
        yield from _slot(f"{kind}_date.month_name", draw.choice(MONTHS))
        yield from _slot(f"{kind}_date.day_number", draw.choice(ORDINALS))
    time = draw.random()
    if time < 0.3:
        yield from _outside("in the")
        yield from _slot(f"{kind}_time.period_of_day", draw.choice(TIMES))
    elif time < 0.6:
        yield from _slot(f"{kind}_time.time_relative", draw.choice(RELATIVE))
        yield from _slot(f"{kind}_time.time", f"{draw.randint(1, 12)} {draw.choice(('am', 'pm', 'oclock'))}")


def _outside(text: str) -> Iterator[tuple[str, str]]:
    for word in travel_words(text, ABBREVIATIONS):
        yield word, "O"


def _slot(kind: str, text: str) -> Iterator[tuple[str, str]]:
    for index, word in enumerate(travel_words(text, ABBREVIATIONS)):
        yield word, f"{'I' if index else 'B'}-{kind}"
