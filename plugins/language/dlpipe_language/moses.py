"""The words of a review, by the rules of Moses' tokeniser, as the tutorial takes them."""

import functools
import string
from collections.abc import Callable

LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def review_words(text: str) -> list[str]:
    """Words and marks of a text, in lower case.

    ``"It's <br />GOOD!"`` gives it &apos;s &lt; br / &gt; good !: marks stand alone, contractions are taken apart, and
    what XML gives a meaning is escaped. ASCII letters alone are made small.

    Source: ``tokenizer.perl -l en`` of Moses, by sacremoses, and "LSTM Networks for Sentiment Analysis",
    ``imdb_preprocess.py``.
    """
    return [word.translate(LOWER) for word in _tokenize()(text)]


@functools.cache
def _tokenize() -> Callable[[str], list[str]]:
    from sacremoses import MosesTokenizer

    return MosesTokenizer("en").tokenize  # type: ignore[no-any-return]  # a library without types
