"""Datasets of sentences whose words are labelled."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import torch

from dlpipe import DataError
from dlpipe.data import Ragged, SequenceDataModule, SequenceSplit, SplitName
from dlpipe_language.vocabulary import Vocabulary

NO_LABEL = -100  # beyond the end of a sentence


class LabelledSentences(SequenceDataModule):
    """Sentences as numbers of words, with a number of a label for each.

    x (sentences, words) of int64, ``num_words`` beyond the end; y the same, `NO_LABEL` beyond the end. A subclass has
    `vocabulary` and `labels`, the names of these numbers, from `setup` on.

    Args:
        num_words: words in the vocabulary; numbers run from 0 to num_words - 1.
        num_labels: labels run from 0 to num_labels - 1.
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
        for what, said, there in (
            ("num_words", self.num_words, len(self.vocabulary)),
            ("num_labels", self.num_labels, len(self.labels)),
        ):
            if said != there:
                raise DataError(f"dataset.{what}={said}: there are {there}; set it to {there}")
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
    """A split of sentences given as numbers.

    Raises:
        ValueError: there are none, or they are not numbers.
    """
    return SequenceSplit(_numbers(words, num_words), _numbers(labels, NO_LABEL))


def _numbers(rows: Sequence[Sequence[int]], fill: int) -> Ragged:
    """Rows of whole numbers.

    Raises:
        ValueError: they are something else.
    """
    found = Ragged.of([torch.as_tensor(row) for row in rows], fill)
    if found.values.ndim != 1 or found.values.is_floating_point():
        raise ValueError("what a sentence holds is not a row of whole numbers")
    return replace(found, values=found.values.long())
