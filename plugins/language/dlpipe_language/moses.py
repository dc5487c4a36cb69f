"""Tokenizing reviews by Moses' rules, as the tutorial does."""

import functools
import string
from collections.abc import Callable

LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def review_words(text: str) -> list[str]:
    """Words and punctuation of a text, in lower case.

    ``"It's <br />GOOD!"`` gives it &apos;s &lt; br / &gt; good !: punctuation is separated, contractions are split, and
    XML's special characters are escaped. Only ASCII letters are lowered.

    Source: ``tokenizer.perl -l en`` of Moses, by sacremoses, and "LSTM Networks for Sentiment Analysis",
    ``imdb_preprocess.py``.
    """
    return [word.translate(LOWER) for word in _tokenize()(text)]


@functools.cache
def _tokenize() -> Callable[[str], list[str]]:
    from sacremoses import MosesTokenizer

    return MosesTokenizer("en").tokenize  # type: ignore[no-any-return]  # a library without types
