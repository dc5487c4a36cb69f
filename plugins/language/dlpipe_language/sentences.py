"""Datasets of sentences whose words are labelled."""

from abc import abstractmethod
from collections.abc import Sequence

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

    def setup(self, stage: str) -> None:
        """Load and check.

        Raises:
            DataError: as `SequenceDataModule`; or there is another number of words or labels than was said.
        """
        super().setup(stage)
        for what, said, names in (
            ("num_words", self.num_words, self.vocabulary.words),
            ("num_labels", self.num_labels, self.labels),
        ):
            if said != len(names):
                raise DataError(f"there are {len(names)} of them, not dataset.{what}={said}; set it to {len(names)}")

    def _check(self, name: SplitName, split: SequenceSplit) -> None:
        super()._check(name, split)
        assert isinstance(split.y, Ragged)
        for what, values, count in (
            ("word", split.x.values, self.num_words),
            ("label", split.y.values, self.num_labels),
        ):
            least, most = int(values.min()), int(values.max())
            if least < 0 or most >= count:
                told = f"{name} has {what} numbers from {least} to {most}; the dictionary has 0 to {count - 1}"
                raise DataError(f"{told}: take a good copy, or set dataset.num_{what}s")


def labelled(words: Sequence[Sequence[int]], labels: Sequence[Sequence[int]], num_words: int) -> SequenceSplit:
    """A split of sentences given as numbers.

    Raises:
        ValueError: there are none.
    """
    x = Ragged.of([torch.as_tensor(row, dtype=torch.int64) for row in words], fill=num_words)
    return SequenceSplit(x, Ragged.of([torch.as_tensor(row, dtype=torch.int64) for row in labels], fill=NO_LABEL))
