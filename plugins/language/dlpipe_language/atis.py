"""ATIS: requests for flights whose words are labelled with slots."""

from typing import Annotated, Any

from pydantic import Field

from dlpipe import DataError
from dlpipe.data import RemoteFile, RemoteFileMixin, SequenceSplit, SplitName, read_pickles
from dlpipe_language.sentences import LabelledSentences, labelled
from dlpipe_language.vocabulary import UNKNOWN, Vocabulary, travel_words

MIRROR = "http://lisaweb.iro.umontreal.ca/transfert/lisa/users/mesnilgr/atis/"
SHA256 = (
    "42f22ed2fedd8914ff6c48ad9758425ce4cd587218e8e85e600000c805115253",
    "086d548beb059913c6905e029ca19062b7c5e3be8ce937fdf3a3a0173e7b6ab6",
    "7a82afdca75d975753b04729dca0ece1a9ea67563c12db91848b83b23d9aaa07",
    "5964373e45d04c8ff7c72833e0e933e828128988796e96c6ac8f6876c38d78f7",
    "076ad51cda0d282a6e160afa32307f5b820d5d3aa42f0b5f9e08ebda294648ec",
)


class Atis(RemoteFileMixin, LabelledSentences):
    """3,983 train, 995 val and 893 test sentences of 572 words with 127 labels, in one of five folds.

    Source: Hemphill et al. (1990), The ATIS spoken language systems pilot corpus, as split by Mesnil et al. (2013):
    lower case, ``DIGIT`` for each digit, ``<UNK>`` for words that occur once. All folds have the same test sentences.

    Args:
        fold: 0 to 4.
        directory: with the files ``atis.fold0.pkl.gz`` to 4; None searches ``$DLPIPE_DATA/atis`` and the user's cache.
        offline: never download.
        options: as for `LabelledSentences`.
    """

    dataset_name = "atis"

    def __init__(self, *, fold: Annotated[int, Field(ge=0, le=4)], **options: Any) -> None:
        super().__init__(**options)
        name = f"atis.fold{fold}.pkl.gz"
        self.remote_file = RemoteFile(name, SHA256[fold], (MIRROR + name,))

    def load_splits(self) -> dict[SplitName, SequenceSplit]:
        """Sentences of words (x) and labels (y)."""
        path = self.path()
        (content,) = read_pickles(path)
        try:
            *sets, names = content
            self.vocabulary, self.labels = Vocabulary(_in_order(names["words2idx"])), _in_order(names["labels2idx"])
            if UNKNOWN not in self.vocabulary:
                raise ValueError(f"its words have no {UNKNOWN}, which other words are")
            splits = [labelled(words, labels, self.num_words) for words, _, labels in sets]
            return dict(zip(("train", "val", "test"), splits, strict=True))
        except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
            raise DataError(f"{path} is not (train, val, test, dictionaries) of sentences: {error}") from error

    def words_of(self, text: str) -> list[str]:
        """The words of a request, written as ATIS writes them."""
        return travel_words(text, self.vocabulary)


def _in_order(numbers: dict[str, int]) -> list[str]:
    """Names in the order of their numbers.

    Raises:
        ValueError: the numbers are not 0, 1, 2 and so on.
    """
    names = sorted(numbers, key=numbers.__getitem__)
    if [numbers[name] for name in names] != list(range(len(names))):
        raise ValueError("its dictionaries do not number from 0")
    return names
