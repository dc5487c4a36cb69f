"""F1 of slots on cases worked out by hand by the rules of conlleval."""

import pytest

from dlpipe_language.slots import ALL, SlotScore, slot_scores

CASES = {
    "all found": ("B-a I-a O B-b", "B-a I-a O B-b", (2, 2)),
    "an end that is wrong": ("B-a I-a O", "B-a O O", (0, 1)),
    "a type that is wrong": ("B-a I-a", "B-b I-b", (0, 1)),
    "I after O begins one": ("O B-a", "O I-a", (1, 1)),
    "I after another type begins one": ("B-a B-b", "B-a I-b", (2, 2)),
    "B after I begins another": ("B-a I-a", "B-a B-a", (0, 2)),
    "two side by side": ("B-a B-a", "B-a B-a", (2, 2)),
    "one that isn't there": ("O O", "B-a O", (0, 1)),
    "none": ("O O", "O O", (0, 0)),
}


@pytest.mark.parametrize(("gold", "predicted", "counts"), CASES.values(), ids=CASES)
def test_chunks_are_counted_as_conlleval_does(gold, predicted, counts):
    right, found = counts
    there = {"B-a I-a O B-b": 2, "B-a B-b": 2, "B-a B-a": 2, "O O": 0}.get(gold, 1)
    score = slot_scores([gold.split()], [predicted.split()])[ALL]
    precision, recall = right / found if found else 0, right / there if there else 0
    f1 = 2 * precision * recall / (precision + recall) if right else 0
    assert score == pytest.approx(SlotScore(precision, recall, f1, there))


def test_each_type_has_its_own_score():
    gold = [["B-city", "I-city", "O", "B-day"], ["B-day", "O"]]
    predicted = [["B-city", "I-city", "O", "O"], ["B-day", "B-city"]]
    scores = slot_scores(gold, predicted)
    assert scores["city"] == pytest.approx(SlotScore(0.5, 1, 2 / 3, 1))
    assert scores["day"] == pytest.approx(SlotScore(1, 0.5, 2 / 3, 2))
    assert scores[ALL] == pytest.approx(SlotScore(2 / 3, 2 / 3, 2 / 3, 3))
