"""Precision, recall and F1 of slots, by the rules of CoNLL's ``conlleval``."""

import re
import warnings
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class SlotScore(NamedTuple):
    """The scores of one slot type, or of all, as fractions, 0 for 0 / 0; ``total`` is the number of gold slots."""

    precision: float
    recall: float
    f1: float
    total: int


ALL = ""
CHUNK_TAG = re.compile(r"O|[BIES]-.+")


def are_chunked(tags: Iterable[str]) -> bool:
    """Whether tags are those of chunks: one begins with B-, I-, E- or S-. Others are of single words."""
    return any(CHUNK_TAG.fullmatch(tag) for tag in tags if tag != "O")


def slot_scores(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> dict[str, SlotScore]:
    """The score of each slot type, and of all types under the key `ALL`.

    A slot is correct if its first word, its last word and its type agree. B starts one, and so does I after O or after
    another type.

    Args:
        gold: the labels of each sentence's words, ``B-city``, ``I-city`` or ``O``.
        predicted: labels of the same words.
    """
    from seqeval.metrics import classification_report

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* seems not to be NE tag")  # for example a label without a type
        warnings.filterwarnings("ignore", message="Mean of empty slice|invalid value encountered")  # no slot at all
        report = classification_report(list(gold), list(predicted), output_dict=True, zero_division=0)
    scores = {
        kind: SlotScore(float(row["precision"]), float(row["recall"]), float(row["f1-score"]), int(row["support"]))
        for kind, row in report.items()
        if kind not in ("macro avg", "weighted avg")
    }
    return {ALL: scores.pop("micro avg"), **scores}
