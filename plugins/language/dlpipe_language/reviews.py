"""Datasets of reviews that are positive or negative."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from dlpipe import DataError
from dlpipe.data import CacheEntry, Ragged, SequenceSplit, SplitName, cache_directory, cached
from dlpipe_language.texts import PADDING_WORD, SPECIAL_WORDS, UNKNOWN_WORD, ClassifiedTexts
from dlpipe_language.vocabulary import Vocabulary

Half = Literal["train", "test"]
HALVES: tuple[Half, Half] = ("train", "test")
LoadedReviews = tuple[list[str], dict[Half, SequenceSplit]]  # words in the order of their numbers, and reviews
FORMAT = 1  # of the cache's files; others are ignored
SPLIT_SEED = 123  # the tutorial's


class Reviews(ClassifiedTexts):
    """Reviews as numbers of words, each with 1 for positive or 0 for negative.

    x (reviews, words) of int64: the most frequent words of the training reviews from 2 on, 1 for others, 0 as
    padding; y (reviews,) of int64. The validation reviews are a part of the training reviews, the same for every
    ``seed``.

    Args:
        num_words: size of the vocabulary; rarer words are unknown.
        num_classes: 2.
        validation: fraction of the training reviews that is for validation.
        shorter_than: drop training and validation reviews with this many words or more; null drops none. Test
            reviews are never dropped.
        test_size: number of test reviews, a random subset that is always the same; null for all.
        batching: as for `SequenceDataModule`.

    Source: "LSTM Networks for Sentiment Analysis", ``imdb.py``.
    """

    class_names = ("negative", "positive")

    def __init__(
        self,
        *,
        num_words: Annotated[int, Field(gt=2)],
        num_classes: Literal[2] = 2,
        validation: Annotated[float, Field(gt=0, lt=1)],
        shorter_than: Annotated[int, Field(gt=1)] | None,
        test_size: Annotated[int, Field(gt=0)] | None,
        **batching: object,
    ) -> None:
        super().__init__(num_words=num_words, num_classes=num_classes, **batching)
        self.validation = validation
        self.shorter_than = shorter_than
        self.test_size = test_size

    @abstractmethod
    def load_reviews(self) -> LoadedReviews:
        """The words in the order of their numbers, `SPECIAL_WORDS` first, and the reviews, as `to_split` gives them."""

    def load_splits(self) -> dict[SplitName, SequenceSplit]:
        """Split off the validation reviews, and replace rare words by the unknown one.

        Raises:
            DataError: no review is short enough, or there are fewer words or test reviews than asked for.
        """
        words, parts = self.load_reviews()
        if self.num_words > len(words):
            raise DataError(f"dataset.num_words={self.num_words}: there are {len(words)}; take as many or fewer")
        self.vocabulary = Vocabulary(words[: self.num_words])
        train, test = (self._replace_rare_words(parts[part]) for part in ("train", "test"))
        lengths = train.x.lengths
        rows = torch.nonzero(lengths < (self.shorter_than or torch.inf)).flatten()
        if not len(rows):
            message = f"dataset.shorter_than={self.shorter_than} leaves no review"
            raise DataError(
                f"{message}: the shortest has {int(lengths.min())} words; take a larger number, or null for all"
            )
        rows = rows[_permutation(len(rows))]
        count = round(len(rows) * (1 - self.validation))
        if not 0 < count < len(rows):
            message = f"dataset.validation={self.validation} of {len(rows)} reviews leaves none for"
            raise DataError(f"{message} {'validation' if count else 'training'}; take between 1/{len(rows)} and 1")
        return {
            "train": _select(train, rows[:count]),
            "val": _select(train, rows[count:]),
            "test": self._test_subset(test),
        }

    def _replace_rare_words(self, split: SequenceSplit) -> SequenceSplit:
        values = split.x.values
        known = torch.where(values < self.num_words, values, UNKNOWN_WORD)
        return SequenceSplit(Ragged(known, split.x.ends, PADDING_WORD), split.y)

    def _test_subset(self, test: SequenceSplit) -> SequenceSplit:
        if self.test_size is None:
            return test
        if self.test_size > len(test.x):
            raise DataError(f"dataset.test_size={self.test_size}: there are {len(test.x)}; take fewer, or null")
        return _select(test, _permutation(len(test.x))[: self.test_size])


def to_split(reviews: Iterable[tuple[list[str], int]], numbers: dict[str, int]) -> SequenceSplit:
    """A split of reviews, each given as its words and its label, 1 for positive or 0.

    Args:
        reviews: each with at least one word.
        numbers: each word's number; other words are unknown.
    """
    x, y = [], []
    for words, label in reviews:
        x.append(torch.tensor([numbers.get(word, UNKNOWN_WORD) for word in words]))
        y.append(label)
    return SequenceSplit(Ragged.of(x, padding_value=PADDING_WORD), torch.tensor(y))


def cache_path(name: str) -> Path:
    """The file in the user's cache for parsed reviews.

    Args:
        name: must contain the checksum of the source.
    """
    return cache_directory("reviews") / f"{name}-{FORMAT}.npz"


def cached_reviews(entry: Path, read: Callable[[], LoadedReviews]) -> LoadedReviews:
    """The result of ``read``, from the cache if it has been read before."""
    stored = cached(entry, lambda: _to_cache(*read()))
    parts: dict[Half, SequenceSplit] = {}
    for half in HALVES:
        words, ends, labels = (
            torch.from_numpy(stored.arrays[f"{half}_{what}"]) for what in ("words", "ends", "labels")
        )
        parts[half] = SequenceSplit(Ragged(words.long(), ends, PADDING_WORD), labels)
    return stored.metadata, parts


def _to_cache(words: list[str], parts: dict[Half, SequenceSplit]) -> CacheEntry:
    arrays: dict[str, NDArray[Any]] = {}
    for half, (x, y) in parts.items():
        assert isinstance(y, Tensor)
        arrays |= {f"{half}_words": x.values.int().numpy(), f"{half}_ends": x.ends.numpy(), f"{half}_labels": y.numpy()}
    return CacheEntry(arrays, words)


def words_by_frequency(reviews: Iterable[list[str]]) -> list[str]:
    """`SPECIAL_WORDS`, then the words of the reviews, the most frequent first.

    Equally frequent words are in the order of their bytes.
    """
    counts = Counter(word for words in reviews for word in words)
    return [*SPECIAL_WORDS, *sorted(counts, key=lambda word: (-counts[word], word.encode()))]


def _permutation(count: int) -> Tensor:
    """Always the same: the split does not depend on the run's seed."""
    return torch.from_numpy(np.random.RandomState(SPLIT_SEED).permutation(count))


def _select(split: SequenceSplit, rows: Tensor) -> SequenceSplit:
    assert isinstance(split.y, Tensor)
    return SequenceSplit(split.x.take(rows), split.y[rows])
