"""The moves of a chain as minibatches."""

import pytest

from dlpipe_hmc.moves import Moves


def rows(loader):
    return [len(x) for x, _ in loader]


def moves(batch_size, num_burn_in=60, num_draws=40, num_epochs=5):
    return Moves(num_burn_in=num_burn_in, num_draws=num_draws, num_epochs=num_epochs, batch_size=batch_size)


@pytest.mark.parametrize(("batch_size", "expected"), [(None, [20]), (8, [8, 8, 4]), (50, [20])])
def test_an_epoch_is_an_equal_part_of_all_moves(batch_size, expected):
    assert rows(moves(batch_size).train_dataloader()) == expected


def test_the_test_is_one_batch_of_all_draws():
    assert rows(moves(8).test_dataloader()) == [40]


def test_moves_that_epochs_do_not_divide_are_refused():
    message = (
        r"100 moves \(60 of burn-in, 40 draws\) cannot be made in 7 equal epochs; set recipe.max_epochs to a divisor"
    )
    with pytest.raises(ValueError, match=message):
        moves(None, num_epochs=7)
