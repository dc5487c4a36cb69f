"""IMDB's reviews from the tutorial's own files, where words are numbers already."""

from pathlib import Path
from typing import Any, final

import torch

from dlpipe import DataError
from dlpipe.data import Ragged, SequenceSplit, describe_folders, find, read_pickles, sha256_of
from dlpipe_language.reviews import LoadedReviews, Reviews, cache_path, cached_reviews
from dlpipe_language.texts import PADDING_WORD, SPECIAL_WORDS

NAME = "imdb"
FILES = ("imdb.pkl", "imdb.dict.pkl")


@final
class ImdbPickles(Reviews):
    """The reviews of ``imdb.pkl`` with the words of ``imdb.dict.pkl``, both compressed or not.

    They are read once, by an unpickler that allows only plain containers and arrays, and stored in the user's cache.
    Their server is offline; the dataset ``imdb`` tokenizes the same words from the text of the reviews.

    Args:
        directory: with both files; None searches ``$DLPIPE_DATA/imdb`` and the user's cache.
        reviews: as for `Reviews`.
    """

    def __init__(self, *, directory: str | None, **reviews: Any) -> None:
        super().__init__(**reviews)
        self.directory = directory

    def prepare_data(self) -> None:
        """Find the files.

        Raises:
            DataError: one is missing.
        """
        self._paths()

    def _paths(self) -> list[Path]:
        paths = []
        for name in FILES:
            path = find(f"{name}.gz", NAME, self.directory)
            if path is None:
                folders = describe_folders(NAME, self.directory)
                raise DataError(
                    f"no {name}.gz and no {name} in {folders}; dataset=imdb takes the reviews from their text"
                )
            paths.append(path)
        return paths

    def load_reviews(self) -> LoadedReviews:
        """In the order of the file."""
        paths = self._paths()
        return cached_reviews(cache_path("-".join(map(sha256_of, paths))), lambda: _read(*paths))

    def checksums(self) -> dict[str, str]:
        """File name to sha256."""
        return {path.name: sha256_of(path) for path in self._paths()}


def _read(reviews: Path, dictionary: Path) -> LoadedReviews:
    train, test = read_pickles(reviews, 2)
    (numbers,) = read_pickles(dictionary)
    return _words(numbers, dictionary), {"train": _split(train, reviews), "test": _split(test, reviews)}


def _words(numbers: Any, path: Path) -> list[str]:
    """Words in the order of their numbers."""
    try:
        words = sorted(numbers, key=numbers.__getitem__)
        if [numbers[word] for word in words] != list(range(len(SPECIAL_WORDS), len(SPECIAL_WORDS) + len(words))):
            raise ValueError(f"its words are not numbered from {len(SPECIAL_WORDS)}")
        return [*SPECIAL_WORDS, *(word.encode("latin1").decode() for word in words)]  # byte strings of Python 2
    except (TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{path} is no dictionary of words and numbers: {error}") from error


def _split(content: Any, path: Path) -> SequenceSplit:
    try:
        reviews, labels = content
        x, y = Ragged.of([torch.tensor(review) for review in reviews], padding_value=PADDING_WORD), torch.tensor(labels)
        if x.values.dtype != torch.int64 or x.values.ndim != 1 or int(x.values.min()) < 1:
            raise ValueError("what a review holds is not numbers of words, which begin at 1")
        if y.dtype != torch.int64 or y.shape != (len(x),) or not bool(((y == 0) | (y == 1)).all()):
            raise ValueError(f"{len(x)} reviews do not have a label each, 0 or 1")
        return SequenceSplit(x, y)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise DataError(f"{path} is not (reviews, labels) twice: {error}; take a good copy") from error
