"""Your own texts as numbers of words, through the user's cache."""

import logging
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from dlpipe.data import CacheEntry, Ragged, cache_directory, cached
from dlpipe_language.division import Place
from dlpipe_language.moses import review_words
from dlpipe_language.texts import PADDING_WORD
from dlpipe_language.vocabulary import MAX_WORDS

log = logging.getLogger(__name__)
MANY = 5000  # texts take more than ten seconds
FORMAT = 1  # of the cache's files; others are ignored


class ReadTexts(NamedTuple):
    """The texts that were read, and the reason for each bad one, by its name."""

    texts: list[tuple[Place, str]]
    bad: dict[str, str]


class Tokenized(NamedTuple):
    """Texts x as numbers of ``words``, which are in no particular order; the places of the texts, and the bad ones."""

    words: list[str]
    x: Ragged
    places: list[Place]
    bad: dict[str, str]


def tokenized(digest: str, read: Callable[[], ReadTexts]) -> Tokenized:
    """The texts that ``read`` gives as words, see `own_words`, from the user's cache if they have been read before.

    Args:
        digest: of everything that is read.
        read: reads the texts.
    """
    path = cache_directory("texts") / f"{digest}-sacremoses-{version('sacremoses')}-{FORMAT}.npz"
    stored = cached(path, lambda: _tokenize(*read()))
    words, places, bad = stored.metadata
    values, ends = (torch.from_numpy(stored.arrays[name]) for name in ("values", "ends"))
    return Tokenized(words, Ragged(values.long(), ends, PADDING_WORD), [Place(*place) for place in places], bad)


def own_words(text: str) -> list[str]:
    """The words of a text by Moses' rules, see `review_words`, in lower case; not only ASCII letters are lowered."""
    return [word.lower() for word in review_words(text)]


def _tokenize(texts: list[tuple[Place, str]], bad: dict[str, str]) -> CacheEntry:
    """The first `MAX_WORDS` words of each text; a text without words is bad."""
    many = len(texts) >= MANY  # INFO is not shown before a run has a directory, where this is done
    log.log(logging.WARNING if many else logging.INFO, "tokenizing %d texts, once", len(texts))
    numbers: dict[str, int] = {}
    places: list[Place] = []
    values: list[int] = []
    ends: list[int] = []
    long: list[str] = []
    for place, text in texts:
        words = own_words(text)
        if not words:
            bad[place.name] = "has no words"
            continue
        if len(words) > MAX_WORDS:
            long.append(place.name)
        values += [numbers.setdefault(word, len(numbers)) for word in words[:MAX_WORDS]]
        ends.append(len(values))
        places.append(place)
    if long:
        log.warning("of %d texts only the first %d words are read: %s, ...", len(long), MAX_WORDS, long[0])
    arrays: dict[str, NDArray[Any]] = {"values": np.array(values, np.int32), "ends": np.array(ends, np.int64)}
    return CacheEntry(arrays, [list(numbers), places, bad])
