"""The base of datasets of your own texts: divided by a seed, with the words of the training texts."""

import logging
from abc import abstractmethod
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field

from dlpipe import DataError
from dlpipe.data import Ragged, SequenceSplit, SplitName
from dlpipe_language.division import Fraction, divide
from dlpipe_language.text_lines import OnBad, refuse_or_skip
from dlpipe_language.texts import PADDING_WORD, SPECIAL_WORDS, UNKNOWN_WORD, ClassifiedTexts
from dlpipe_language.tokenized import ReadTexts, Tokenized, own_words, tokenized
from dlpipe_language.vocabulary import Vocabulary, check_unchanged

log = logging.getLogger(__name__)
MOST_WORDS = 10_000  # of a vocabulary whose size is not given


class OwnTexts(ClassifiedTexts):
    """Texts of yours, each with a class; a subclass reads them.

    They are tokenized, see `own_words`; the vocabulary is that of the training texts, most frequent words first. Of a
    text 10,000 words are read. What has no files of its own is divided off the training texts, each
    class in the same proportion.

    Args:
        num_words: size of the vocabulary; rarer words are unknown. None for all words of the training texts, at most
            10,000.
        num_classes: number of classes; None counts them.
        class_names: the classes in the order of their numbers; None for alphabetical order.
        vocabulary_sha256: of the words and classes that a model was trained with; None before training.
        val_fraction: part of the training texts for validation, unless validation has files of its own.
        test_fraction: the same for the test.
        split_seed: of the division, which depends on it and on the names of the texts alone.
        batching: as for `SequenceDataModule`.
    """

    unit: str  # what is read, in messages: texts or lines
    on_bad: tuple[str, OnBad]  # the option that says whether a bad one stops the run, and its value

    def __init__(
        self,
        *,
        num_words: Annotated[int, Field(gt=len(SPECIAL_WORDS))] | None = None,
        num_classes: Annotated[int, Field(gt=1)] | None = None,
        class_names: list[str] | None = None,
        vocabulary_sha256: str | None = None,
        val_fraction: Fraction = 0.2,
        test_fraction: Fraction = 0.2,
        split_seed: Annotated[int, Field(ge=0)] = 0,
        **batching: Any,
    ) -> None:
        super().__init__(num_words=num_words or 0, num_classes=num_classes or 0, **batching)
        self.class_names = class_names or []
        self.vocabulary_sha256 = vocabulary_sha256
        self.fractions: dict[SplitName, float] = {"val": val_fraction, "test": test_fraction}
        self.split_seed = split_seed
        self.notes: list[str] = []  # to log

    @abstractmethod
    def source(self) -> Path:
        """The file or folder of the texts.

        Raises:
            DataError: it does not exist.
        """

    @abstractmethod
    def digest(self) -> str:
        """A checksum of everything that is read."""

    @abstractmethod
    def read(self) -> ReadTexts:
        """Read the texts."""

    def words_of(self, text: str) -> list[str]:
        """The words of a text, as the vocabulary writes them."""
        return own_words(text)

    def options_from_files(self) -> dict[str, Any]:
        """The numbers of words and classes, the classes' names, and the checksum of the vocabulary."""
        self._splits()
        names = ("num_words", "num_classes", "class_names", "vocabulary_sha256")
        return {name: getattr(self, name) for name in names}

    def prepare_data(self) -> None:
        """Tokenize the texts unless they are cached.

        Raises:
            DataError: they cannot be read, or a bad one stops the run.
        """
        self._tokenized()

    def load_splits(self) -> dict[SplitName, SequenceSplit]:
        """Divide the texts, number their words and classes, and log what is left out.

        Raises:
            DataError: there are too few texts, words or classes.
        """
        splits = self._splits()
        for note in dict.fromkeys(self.notes):
            log.info("%s", note)
        return splits

    def _splits(self) -> dict[SplitName, SequenceSplit]:
        texts = self._tokenized()
        divided = divide(texts.places, self.fractions, self.split_seed, self.unit, self.source())
        self._set_classes({name: {texts.places[row].class_name for row in rows} for name, rows in divided.items()})
        rows = {name: torch.tensor(own, dtype=torch.int64) for name, own in divided.items()}
        x = self._number_words(texts, texts.x.take(rows["train"]))
        names = self.vocabulary.words, self.class_names
        self.vocabulary_sha256 = check_unchanged(self.vocabulary_sha256, names, self.source())
        y = torch.tensor([self.class_names.index(place.class_name) for place in texts.places])
        return {name: SequenceSplit(x.take(own), y[own]) for name, own in rows.items()}

    def _tokenized(self) -> Tokenized:
        texts = tokenized(self.digest(), self.read)
        total = len(texts.places) + len(texts.bad)
        self.notes += refuse_or_skip(texts.bad, total, self.unit, self.source(), *self.on_bad)
        if not texts.places:
            raise DataError(f"{self.source()} has no {self.unit}")
        return texts

    def _set_classes(self, classes: dict[SplitName, set[str]]) -> None:
        """Name the classes of training, in alphabetical order unless the config names them."""
        train, source = classes["train"], self.source()
        for name in ("val", "test"):
            if unknown := sorted(classes[name] - train):
                raise DataError(f"{source}: {name} has the class {unknown[0]!r}, and training has no {self.unit} of it")
            if missing := sorted(train - classes[name]):
                self.notes.append(f"{source}: {name} has no {self.unit} of {', '.join(missing)}")
        if len(train) < 2:
            raise DataError(f"{source} has the class {min(train)!r} alone; a classifier needs two")
        self.class_names = self.class_names or in_order(train, source)
        if set(self.class_names) != train:
            raise DataError(f"dataset.class_names={self.class_names}: {source} has {sorted(train)}")
        self.num_classes = self.num_classes or len(train)

    def _number_words(self, texts: Tokenized, train: Ragged) -> Ragged:
        """All texts with the numbers of the vocabulary, which is that of the training texts."""
        counts = torch.bincount(train.values, minlength=len(texts.words)).tolist()
        order = sorted(filter(counts.__getitem__, range(len(counts))), key=lambda n: (-counts[n], texts.words[n]))
        words = [*SPECIAL_WORDS, *(texts.words[number] for number in order)]
        if self.num_words > len(words):
            raise DataError(f"dataset.num_words={self.num_words}: there are {len(words)}; take as many or fewer")
        self.num_words = self.num_words or min(len(words), MOST_WORDS)
        self.vocabulary = Vocabulary(words[: self.num_words])
        known = order[: self.num_words - len(SPECIAL_WORDS)]
        numbers = torch.full((len(texts.words),), UNKNOWN_WORD)
        numbers[torch.tensor(known)] = torch.arange(len(SPECIAL_WORDS), self.num_words)
        return Ragged(numbers[texts.x.values], texts.x.ends, PADDING_WORD)


def in_order(classes: set[str], source: object) -> list[str]:
    """The names of classes in alphabetical order, or in that of their numbers if all are whole numbers.

    Raises:
        DataError: one is a text that the run's config.yaml cannot hold.
    """
    if bad := [name for name in classes if "${" in name or name == "???" or not name.isprintable()]:
        raise DataError(f"{source} has the class {bad[0]!r}; rename it, without ${{, ??? and control characters")
    are_numbers = all(name.lstrip("-").isdecimal() for name in classes)
    return sorted(classes, key=lambda name: (int(name) if are_numbers else 0, name))
