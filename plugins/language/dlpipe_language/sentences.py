"""Datasets of sentences whose words are labelled."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import torch

from dlpipe import DataError
from dlpipe.data import Ragged, SequenceDataModule, SequenceSplit, SplitName
from dlpipe_language.vocabulary import Vocabulary, check_counts

NO_LABEL = -100  # padding, as `F.cross_entropy` ignores it


class LabelledSentences(SequenceDataModule):
    """Sentences as numbers of words, with the number of a label for each word.

    x (sentences, words) of int64, padded with ``num_words``; y the same, padded with `NO_LABEL`. A subclass sets
    `vocabulary` and `labels`, the names of these numbers, in `load_splits` at the latest.

    Args:
        num_words: size of the vocabulary.
        num_labels: number of labels.
        batching: as for `SequenceDataModule`.
    """

    vocabulary: Vocabulary
    labels: Sequence[str]

    def __init__(self, *, num_words: int, num_labels: int, **batching: object) -> None:
        super().__init__(**batching)  # type: ignore[arg-type]  # the checks look at the constructors of both
        self.num_words = num_words
        self.num_labels = num_labels

    @abstractmethod
    def words_of(self, text: str) -> list[str]:
        """The words of a text, as the vocabulary writes them."""

    def check_split(self, name: SplitName, split: SequenceSplit) -> None:
        """Compare the numbers of words and labels with the config, and check what the base checks."""
        check_counts(num_words=(self.num_words, len(self.vocabulary)), num_labels=(self.num_labels, len(self.labels)))
        super().check_split(name, split)
        assert isinstance(split.y, Ragged)
        for what, values, count in (
            ("word", split.x.values, self.num_words),
            ("label", split.y.values, self.num_labels),
        ):
            least, most = int(values.min()), int(values.max())
            if least < 0 or most >= count:
                message = f"{name} has {what} numbers from {least} to {most}; the dictionary has 0 to {count - 1}"
                raise DataError(f"{message}: take a good copy")


def labelled(words: Sequence[Sequence[int]], labels: Sequence[Sequence[int]], num_words: int) -> SequenceSplit:
    """A split of sentences given as numbers of words and of labels.

    Raises:
        ValueError: there are no sentences, or they do not consist of numbers.
    """
    return SequenceSplit(_numbers(words, num_words), _numbers(labels, NO_LABEL))


def _numbers(rows: Sequence[Sequence[int]], padding: int) -> Ragged:
    """Rows of integers.

    Raises:
        ValueError: they are not integers.
    """
    numbers = Ragged.of([torch.as_tensor(row) for row in rows], padding)
    if numbers.values.ndim != 1 or numbers.values.is_floating_point():
        raise ValueError("what a sentence holds is not a row of whole numbers")
    return replace(numbers, values=numbers.values.long())
