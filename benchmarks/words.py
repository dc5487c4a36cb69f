"""ATIS and IMDB as resident tensors, for the variants that know nothing of dlpipe's training."""

from typing import Any

from torch import Tensor

from dlpipe.data import SequenceSplit, SplitName
from dlpipe_language.atis import Atis
from dlpipe_language.imdb_pickles import ImdbPickles

Pairs = list[tuple[Tensor, Tensor]]
# what the constructors ask for, and reading does not depend on
BATCHING: dict[str, Any] = {
    "batch_size": 1,
    "shuffle": False,
    "drop_last": False,
    "bucket": 1,
    "eval_batch_size": 1,
    "seed": 0,
}


def sentences(split: SplitName) -> Pairs:
    """Numbers of words and of their labels, (words,) each."""
    data = Atis(fold=3, directory=None, offline=True, num_words=572, num_labels=127, **BATCHING)
    return _pairs(data.load_splits()[split])


def reviews(split: SplitName) -> Pairs:
    """Numbers of words (words,), all above 0, and whether the review is positive."""
    chosen = {"num_words": 10_000, "validation": 0.05, "shorter_than": 100, "test_size": 500}
    return _pairs(ImdbPickles(directory=None, **chosen, **BATCHING).load_splits()[split])


def _pairs(split: SequenceSplit) -> Pairs:
    return [(split.x[row], split.y[row]) for row in range(len(split.x))]
