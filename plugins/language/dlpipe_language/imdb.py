"""IMDB: film reviews, from their text."""

import logging
import re
import tarfile
from importlib.metadata import version
from pathlib import Path
from typing import final

from dlpipe import DataError
from dlpipe.data import READ_ERRORS, RemoteFile, RemoteFileMixin, find, sha256_of
from dlpipe_language.moses import review_words
from dlpipe_language.reviews import (
    HALVES,
    Half,
    LoadedReviews,
    Reviews,
    cache_path,
    cached_reviews,
    to_split,
    words_by_frequency,
)

log = logging.getLogger(__name__)
WITHOUT_UNLABELLED = "aclImdb_labeled.tar.xz"
ORIGINAL = RemoteFile(
    "aclImdb_v1.tar.gz",
    "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
    ("https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",),
)
MEMBER = re.compile(r"(?:\./)?aclImdb/(train|test)/(pos|neg)/(\d+)_\d+\.txt")
MAX_BYTES = 2**20  # the longest review has 13,704


@final
class Imdb(RemoteFileMixin, Reviews):
    """25,000 train and 25,000 test film reviews, half of them positive.

    They are tokenized by Moses' rules, see `review_words`, as in the tutorial's own files; the vocabulary is that of
    the training reviews. Tokenizing takes some minutes, once: the result is stored in the user's cache.

    Source: Maas et al. (2011), Learning word vectors for sentiment analysis.

    Args:
        directory: with ``aclImdb_v1.tar.gz`` or ``aclImdb_labeled.tar.xz``, the same without the unlabelled
            reviews; None searches ``$DLPIPE_DATA/imdb`` and the user's cache.
        offline: never download.
        options: as for `Reviews`.
    """

    dataset_name = "imdb"
    remote_file = ORIGINAL

    def prepare_data(self) -> None:
        """Find the archive, or download it into the user's cache, and tokenize its reviews unless they are cached.

        Raises:
            DataError: it cannot be found or downloaded, or is damaged.
        """
        if not _cache_path(self.path()).is_file():
            self.load_reviews()

    def load_reviews(self) -> LoadedReviews:
        """Positive reviews before negative ones, each kind in the order of their numbers."""
        path = self.path()
        return cached_reviews(_cache_path(path), lambda: _read(path))

    def path(self) -> Path:
        """Where the smaller archive is, or else the original one."""
        try:
            return find(WITHOUT_UNLABELLED, self.dataset_name, self.directory) or super().path()
        except DataError as error:
            raise DataError(
                f"{error} {WITHOUT_UNLABELLED}, the same without the unlabelled reviews, does as well"
            ) from error


def _cache_path(path: Path) -> Path:
    return cache_path(f"{sha256_of(path)}-sacremoses-{version('sacremoses')}")


def _read(path: Path) -> LoadedReviews:
    texts = _texts(path)
    log.info("taking %d reviews apart into words; this is done once, and takes minutes", sum(map(len, texts.values())))
    reviews = {half: [(review_words(text), label) for text, label in labelled] for half, labelled in texts.items()}
    for half, labelled in reviews.items():
        for number, (words, _) in enumerate(labelled):
            if not words:
                raise DataError(f"{path}: review number {number} from 0 of {half} has no words; take a good copy")
    words = words_by_frequency(words for words, _ in reviews["train"])
    numbers = {word: number for number, word in enumerate(words)}
    return words, {half: to_split(labelled, numbers) for half, labelled in reviews.items()}


def _first_line(path: Path, archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    """The first line of a review, which is all that the tutorial reads."""
    if member.size > MAX_BYTES:
        raise DataError(f"{path}: {member.name} declares {member.size} bytes; a review has at most {MAX_BYTES}")
    try:
        content: bytes = archive.extractfile(member).read()  # type: ignore[union-attr]  # it is a file
        return content.decode().strip().split("\n")[0]
    except (tarfile.TarError, UnicodeDecodeError, *READ_ERRORS) as error:
        message = f"{path} cannot be read: {member.name}: {error}; remove it, and take a good copy"
        raise DataError(message) from error


def _texts(path: Path) -> dict[Half, list[tuple[str, int]]]:
    """The reviews with their labels, positive ones first, each kind in the order of their numbers."""
    texts: dict[tuple[str, str], list[tuple[int, str]]] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                match = MEMBER.fullmatch(member.name)
                if match and member.isfile():
                    texts.setdefault((match[1], match[2]), []).append(
                        (int(match[3]), _first_line(path, archive, member))
                    )
    except (tarfile.TarError, *READ_ERRORS) as error:
        reason = str(error).split("\n", 1)[0]  # tarfile lists every compression that it tried
        raise DataError(f"{path} cannot be read: {reason}; remove it, and take a good copy") from error
    missing = [f"aclImdb/{half}/{kind}" for half in HALVES for kind in ("pos", "neg") if (half, kind) not in texts]
    if missing:
        raise DataError(f"{path} has no reviews in {', '.join(missing)}: it is another archive, or not whole")
    return {
        half: [(text, label) for kind, label in (("pos", 1), ("neg", 0)) for _, text in sorted(texts[half, kind])]
        for half in HALVES
    }
