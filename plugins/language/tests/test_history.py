"""Early stopping on the history of validations: against the tutorial's rule written out, and in a run."""

import random

import pytest

from dlpipe_language.history import History


def stops_at(values, patience):
    """As ``train_lstm`` has it: the number of the validation, from 1, that ends training; None where none does."""
    history, bad = [], 0
    for value in values:
        history.append(value)
        if value <= min(history):
            bad = 0
        if len(history) > patience and value >= min(history[:-patience]):
            bad += 1
            if bad > patience:
                return len(history)
    return None


@pytest.mark.parametrize("seed", range(50))
def test_it_is_the_tutorials_rule(seed):
    draw = random.Random(seed)
    patience = draw.choice([1, 2, 3, 10])
    values = [round(draw.random() + 3 / (1 + number), 1) for number in range(60)]
    history = History(patience)
    ended = next((number for number, value in enumerate(values, 1) if history.validated(value)), None)
    assert ended == stops_at(values, patience)


def test_patience_counts_validations_that_are_no_better_than_long_before():
    """With 2: the fourth and fifth value are no better than the first; the third such one ends training."""
    history = History(2)
    assert [history.validated(value) for value in (1, 2, 2, 2, 2)] == [False, False, False, False, True]


def test_a_new_best_sets_the_count_back():
    history = History(2)
    values = (3, 4, 4, 4, 2, 4, 4, 4, 4)
    assert [history.validated(value) for value in values].index(True) == 7


def test_a_run_validates_where_it_is_told_and_stops(cli):
    small = ("model=lstm", "model.embedding_size=4", "model.num_hidden=4", "model.patience=1")
    result = cli(*small, "model.validate_every=50", "recipe.max_epochs=8")
    assert result.code == 0, result.err
    validated = [line for line in result.out.splitlines() if line.startswith("epoch")]
    places = ("epoch 1, minibatch 50/120", "epoch 1, minibatch 100/120", "epoch 2, minibatch 30/120")
    assert all(line.startswith(place) for line, place in zip(validated, places, strict=False))
    assert len(validated) > 3
    assert "by a callback" in result.out
    every_epoch = cli(*small, "model.validate_every=null", "model.patience=null", "recipe.max_epochs=2")
    assert every_epoch.out.count("minibatch 120/120") == 2
    assert "by max_epochs" in every_epoch.out
