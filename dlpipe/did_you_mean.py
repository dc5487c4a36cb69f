"""Suggestions for a misspelt word."""

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """``"did you mean 'lenet'? "`` for the closest allowed word; empty if none is close."""
    near = difflib.get_close_matches(word, list(allowed), n=1)
    return f"did you mean {near[0]!r}? " if near else ""
