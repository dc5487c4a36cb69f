"""Datasets of texts that each belong to a class."""

from collections.abc import Sequence

from dlpipe.data import SequenceDataModule, SequenceSplit, SplitName
from dlpipe_language.moses import review_words
from dlpipe_language.vocabulary import UNKNOWN, Vocabulary, check_counts

PADDING_WORD, UNKNOWN_WORD = 0, 1  # numbers; other words start at 2
SPECIAL_WORDS = ("<PAD>", UNKNOWN)


class ClassifiedTexts(SequenceDataModule):
    """Texts as numbers of words, each with the number of its class.

    x (texts, words) of int64: words from 2 on, 1 for unknown ones, 0 as padding; y (texts,) of int64. A subclass sets
    `vocabulary` and `class_names`, the names of these numbers, in `load_splits` at the latest.

    Args:
        num_words: size of the vocabulary.
        num_classes: number of classes.
        batching: as for `SequenceDataModule`.
    """

    vocabulary: Vocabulary
    class_names: Sequence[str]

    def __init__(self, *, num_words: int, num_classes: int, **batching: object) -> None:
        super().__init__(**batching)  # type: ignore[arg-type]  # the checks look at the constructors of both
        self.num_words = num_words
        self.num_classes = num_classes

    def words_of(self, text: str) -> list[str]:
        """The words of a text, as the vocabulary writes them."""
        return review_words(text)

    def check_split(self, name: SplitName, split: SequenceSplit) -> None:
        """Compare the numbers of words and classes with the config, and check what the base checks."""
        words, classes = len(self.vocabulary), len(self.class_names)
        check_counts(num_words=(self.num_words, words), num_classes=(self.num_classes, classes))
        super().check_split(name, split)
