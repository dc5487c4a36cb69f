"""How well slots are found: precision, recall and F1 of chunks, by the rules of CoNLL's ``conlleval``."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple


class SlotScore(NamedTuple):
    """Of one type of slot, or of all; each a fraction, 0 where it would be 0 / 0; ``total`` of them are in the text."""

    precision: float
    recall: float
    f1: float
    total: int


ALL = ""


def slot_scores(gold: Sequence[Sequence[str]], guessed: Sequence[Sequence[str]]) -> dict[str, SlotScore]:
    """The score of each type of slot, and of all together under the name `ALL`.

    A chunk counts as found where its first and last word and its type agree. B begins one, and so does I after O or
    after another type.

    Args:
        gold: of each sentence the labels of its words, ``B-city``, ``I-city`` or ``O``.
        guessed: labels of the same words.
    """
    from seqeval.metrics import classification_report

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* seems not to be NE tag")  # such as a label without a type
        warnings.filterwarnings("ignore", message="Mean of empty slice|invalid value encountered")  # no slot at all
        report = classification_report(list(gold), list(guessed), output_dict=True, zero_division=0)
    found = {
        kind: SlotScore(float(row["precision"]), float(row["recall"]), float(row["f1-score"]), int(row["support"]))
        for kind, row in report.items()
        if kind not in ("macro avg", "weighted avg")
    }
    return {ALL: found.pop("micro avg"), **found}
