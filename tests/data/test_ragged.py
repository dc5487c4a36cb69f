"""Sequences of different lengths in one tensor, and padded."""

import pytest
import torch

from dlpipe.data import Ragged, length_mask

SEQUENCES = [torch.tensor([1, 2, 3]), torch.tensor([4]), torch.tensor([5, 6])]


def test_sequences_are_unchanged():
    ragged = Ragged.of(SEQUENCES)
    assert len(ragged) == 3
    assert ragged.lengths.tolist() == [3, 1, 2]
    assert [ragged[index].tolist() for index in range(3)] == [[1, 2, 3], [4], [5, 6]]


def test_sequences_are_padded_to_the_longest_of_the_chosen_ones():
    ragged = Ragged.of(SEQUENCES, padding_value=-1)
    assert ragged.padded(torch.tensor([2, 0])).tolist() == [[5, 6, -1], [1, 2, 3]]
    assert ragged.padded(torch.tensor([1, 2])).tolist() == [[4, -1], [5, 6]]
    assert ragged.padded(torch.tensor([2])).tolist() == [[5, 6]]


def test_elements_may_have_any_shape():
    ragged = Ragged.of([torch.ones(2, 3, 4), torch.full((1, 3, 4), 2.0)])
    padded = ragged.padded(torch.tensor([0, 1]))
    assert padded.shape == (2, 2, 3, 4)
    assert (padded[1, 0] == 2).all()
    assert not padded[1, 1].any()


def test_one_sequence_is_a_view():
    ragged = Ragged.of(SEQUENCES)
    assert ragged.padded(torch.tensor([2])).data_ptr() == ragged[2].data_ptr()


def test_the_length_mask_is_true_within_a_sequence():
    assert length_mask(torch.tensor([2, 0, 3]), 3).tolist() == [[True, True, False], [False] * 3, [True] * 3]


def test_no_sequences_are_an_error():
    with pytest.raises(ValueError, match="no sequences"):
        Ragged.of([])


@pytest.mark.parametrize("rows", [[2, 0], [1], [], [0, 1, 2, 2]])
def test_take_returns_sequences_in_the_given_order(rows):
    sequences = [torch.arange(6).view(3, 2), torch.full((1, 2), 7), torch.arange(8).view(4, 2)]
    taken = Ragged.of(sequences, padding_value=-1).take(torch.tensor(rows, dtype=torch.int64))
    assert len(taken) == len(rows)
    assert taken.padding_value == -1
    for index, row in enumerate(rows):
        torch.testing.assert_close(taken[index], sequences[row])
