"""Synthetic reviews: a small IMDB that needs no files."""

import functools
import hashlib
import random
from typing import final

from dlpipe_language.reviews import Half, LoadedReviews, Reviews, to_split, words_by_frequency

SIZES: dict[Half, int] = {"train": 1200, "test": 300}
THINGS = (
    *("acting", "plot", "music", "ending", "dialogue", "camera work", "lead actor", "script", "pace", "first half"),
    *("humour", "villain", "love story", "director 's idea", "cast", "second half"),
)
ADJECTIVES = (
    ("bad", "dull", "awful", "boring", "weak", "terrible", "tedious", "clumsy", "poor", "predictable", "lifeless"),
    ("good", "great", "wonderful", "moving", "brilliant", "charming", "clever", "funny", "superb", "fresh", "gripping"),
)
DEGREES = ("", "", "really", "very", "quite", "so", "rather", "surprisingly")
NEGATIONS = ("was not", "was never", "was n't", "was anything but")
NEUTRAL = (
    *("i saw it on a sunday .", "it was made in france .", "my brother came along .", "it runs for two hours ."),
    *("the story is set in a small town .", "we bought the tickets late .", "there is a dog in it ."),
    *("it is based on a book .", "a man comes home after ten years .", "i had read about it before ."),
)
DISSENT = 0.1  # share of opinions that contradict the review's own
NEGATED = 0.2  # share of opinions that negate the opposite adjective


@final
class SyntheticReviews(Reviews):
    """Synthetic: 1,200 train and 300 test reviews of films, written by a grammar.

    A review is positive if most of its opinions are. The same texts for every seed. Single words do not decide: "not
    dull" is praise, and some opinions contradict the review's own.

    Args:
        reviews: as for `Reviews`.
    """

    def load_reviews(self) -> LoadedReviews:
        """In the order in which they were written."""
        reviews = {part: [(text.split(), label) for text, label in texts] for part, texts in _generate().items()}
        words = words_by_frequency(words for words, _ in reviews["train"])
        numbers = {word: number for number, word in enumerate(words)}
        return words, {part: to_split(texts, numbers) for part, texts in reviews.items()}

    def checksums(self) -> dict[str, str]:
        """sha256 over the texts of each part."""
        return {part: hashlib.sha256(repr(texts).encode()).hexdigest() for part, texts in _generate().items()}


@functools.cache
def _generate() -> dict[Half, list[tuple[str, int]]]:
    draw = random.Random(0)
    return {part: [_review(draw, number % 2) for number in range(size)] for part, size in SIZES.items()}


def _review(draw: random.Random, label: int) -> tuple[str, int]:
    """A text and its label: opinions, most of them of the label's kind, among neutral sentences."""
    count = draw.choice((3, 5, 7))
    against = min(sum(draw.random() < DISSENT for _ in range(count)), count // 2)
    kinds = [1 - label] * against + [label] * (count - against)
    sentences = [_opinion(draw, kind, thing) for kind, thing in zip(kinds, draw.sample(THINGS, count), strict=True)]
    sentences += draw.sample(NEUTRAL, draw.randint(0, 2))
    draw.shuffle(sentences)
    return " ".join(sentences), label


def _opinion(draw: random.Random, kind: int, thing: str) -> str:
    negated = draw.random() < NEGATED
    verb = draw.choice(NEGATIONS) if negated else "was"
    adjective = draw.choice(ADJECTIVES[1 - kind if negated else kind])
    return " ".join(f"the {thing} {verb} {draw.choice(DEGREES)} {adjective} .".split())
