"""Your own sentences with a tag for each word, in CoNLL's form."""

import functools
import logging
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, final

from pydantic import Field

from dlpipe import DataError
from dlpipe.data import SequenceSplit, SplitName
from dlpipe_language.conll import BadLineError, Sentence, sentence_blocks, tagged_sentence, untagged_sentences
from dlpipe_language.division import Fraction, Place, divide
from dlpipe_language.sentences import LabelledSentences, labelled
from dlpipe_language.slots import CHUNK_TAG, are_chunked
from dlpipe_language.split_files import SplitFiles, checksums_of, source_of, split_files
from dlpipe_language.text_lines import OnBad, read_content, refuse_or_skip
from dlpipe_language.vocabulary import UNKNOWN, Vocabulary, check_unchanged, tagged_word

log = logging.getLogger(__name__)
SUFFIXES = (".conll", ".txt", ".tsv")
Positive = Annotated[int, Field(gt=0)]


@final
class TaggedSentences(LabelledSentences):
    """Sentences with a line ``word tag`` for each word, and an empty line between two sentences.

    Words are in lower case with ``DIGIT`` for each digit, as in ATIS; rare ones are unknown. A tag that training does
    not have counts as an error wherever it occurs, and a warning names it.

    Args:
        file: the file, which is divided into train, val and test; or
        directory: a folder with files train, val and test (``.conll``, ``.txt`` or ``.tsv``).
        num_words: size of the vocabulary; None counts the words.
        num_labels: number of tags; None counts them.
        vocabulary_sha256: of the words and tags that a model was trained with; None before training.
        min_count: how often a word occurs in training, at least, to be in the vocabulary.
        val_fraction: part of the training sentences for validation, unless validation has a file of its own.
        test_fraction: the same for the test.
        split_seed: of the division, which depends on it and on the sentences' line numbers alone.
        on_bad_line: whether a line that cannot be used stops the run, or its sentence is left out.
        batching: as for `SequenceDataModule`.
    """

    def __init__(
        self,
        *,
        file: str | None = None,
        directory: str | None = None,
        num_words: Positive | None = None,
        num_labels: Positive | None = None,
        vocabulary_sha256: str | None = None,
        min_count: Positive = 2,
        val_fraction: Fraction = 0.2,
        test_fraction: Fraction = 0.2,
        split_seed: Annotated[int, Field(ge=0)] = 0,
        on_bad_line: OnBad = "stop",
        **batching: Any,
    ) -> None:
        super().__init__(num_words=num_words or 0, num_labels=num_labels or 0, **batching)
        self.file = file
        self.directory = directory
        self.vocabulary_sha256 = vocabulary_sha256
        self.min_count = min_count
        self.fractions: dict[SplitName, float] = {"val": val_fraction, "test": test_fraction}
        self.split_seed = split_seed
        self.on_bad_line: OnBad = on_bad_line
        self.notes: list[str] = []  # to log

    def words_of(self, text: str) -> list[str]:
        """The words of a text, which spaces separate."""
        return [tagged_word(word) for word in text.split()]

    @staticmethod
    def texts_of(content: str) -> list[str]:
        """The sentences of a file to predict, whose lines may have a tag."""
        return untagged_sentences(content)

    def checksums(self) -> dict[str, str]:
        """File name to sha256."""
        return checksums_of(self._files)

    def options_from_files(self) -> dict[str, Any]:
        """The numbers of words and tags, and their checksum."""
        self._splits()
        return {name: getattr(self, name) for name in ("num_words", "num_labels", "vocabulary_sha256")}

    def prepare_data(self) -> None:
        """Find the files.

        Raises:
            DataError: one is missing.
        """
        source_of(self._files)

    def load_splits(self) -> dict[SplitName, SequenceSplit]:
        """Sentences of words (x) and labels (y); logs what is left out.

        Raises:
            DataError: a file is missing, a bad line stops the run, or there are too few sentences.
        """
        splits = self._splits()
        for note in dict.fromkeys(self.notes):
            log.info("%s", note)
        return splits

    def _splits(self) -> dict[SplitName, SequenceSplit]:
        places, sentences = self._read()
        rows = divide(places, self.fractions, self.split_seed, "sentences", self._source)
        self._set_names([sentences[row] for row in rows["train"]], places, sentences)
        numbers = {label: number for number, label in enumerate(self.labels)}
        words = [[self.vocabulary.number(tagged_word(word)) for word in sentence.words] for sentence in sentences]
        labels = [[numbers[tag] for tag in sentence.tags] for sentence in sentences]
        return {
            name: labelled([words[row] for row in own], [labels[row] for row in own], self.num_words)
            for name, own in rows.items()
        }

    def _set_names(self, train: list[Sentence], places: list[Place], sentences: list[Sentence]) -> None:
        """Name the words and tags of training, then the tags of the other splits, in alphabetical order."""
        counts = Counter(tagged_word(word) for sentence in train for word in sentence.words)
        words = sorted(word for word, count in counts.items() if count >= self.min_count and word != UNKNOWN)
        tags = {tag for sentence in train for tag in sentence.tags}
        others = {
            tag: place.name for place, own in zip(places, sentences, strict=True) for tag in own.tags if tag not in tags
        }
        if others:
            listed = ", ".join(f"{tag} ({name})" for tag, name in others.items())
            self.notes.append(f"{self._source}: tags that no training sentence has count as errors: {listed}")
        self.vocabulary, self.labels = Vocabulary([UNKNOWN, *words]), [*sorted(tags), *sorted(others)]
        names = self.vocabulary.words, self.labels
        self.vocabulary_sha256 = check_unchanged(self.vocabulary_sha256, names, self._source)
        self.num_words = self.num_words or len(self.vocabulary)
        self.num_labels = self.num_labels or len(self.labels)

    def _read(self) -> tuple[list[Place], list[Sentence]]:
        """The good sentences, in the order of the lines."""
        sentences: dict[Place, Sentence] = {}
        bad: dict[str, str] = {}
        for split, path in self._files.items():
            prefix = f"{path.name} " if split else ""
            for lines in sentence_blocks(read_content(path)):
                try:
                    sentence = tagged_sentence(lines)
                    sentences[Place(split, "", f"{prefix}line {sentence.line}")] = sentence
                except BadLineError as error:
                    bad[f"{prefix}line {error.line}"] = error.reason
        for place, reason in _other_tags(sentences).items():
            del sentences[place]
            bad[place.name] = reason
        total = len(sentences) + len(bad)
        if not total:
            raise DataError(f"{self._source} has no sentences")
        self.notes += refuse_or_skip(bad, total, "sentences", self._source, "on_bad_line", self.on_bad_line)
        return list(sentences), list(sentences.values())

    @property
    def _source(self) -> Path:
        return source_of(self._files)

    @functools.cached_property
    def _files(self) -> SplitFiles:
        return split_files(self.file, self.directory, SUFFIXES)


def _other_tags(sentences: dict[Place, Sentence]) -> dict[Place, str]:
    """The sentences with tags of single words, if others have those of chunks; the reason for each."""
    if not are_chunked({tag for sentence in sentences.values() for tag in sentence.tags}):
        return {}
    return {
        place: f"begins a sentence with the tag {tag!r}; expected O, B-TYPE or I-TYPE, as other sentences have"
        for place, sentence in sentences.items()
        for tag in sentence.tags
        if not CHUNK_TAG.fullmatch(tag)
    }
