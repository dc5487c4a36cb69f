"""The names and shapes of a batch's tensors, read from batches, and the comparison of two models' outputs."""

import pytest
import torch
from pytorch_lightning import LightningDataModule

from dlpipe import DlpipeError
from dlpipe.data import SequenceBatch
from dlpipe_authoring.export.batches import test_batches as first_batches
from dlpipe_authoring.export.comparison import largest_difference
from dlpipe_authoring.export.description import output_shapes


class Data(LightningDataModule):
    def __init__(self, *batches):
        super().__init__()
        self.batches = batches

    def test_dataloader(self):
        return list(self.batches) and iter(self.batches)


def batches_of(*batches, dtype=torch.float32):
    return first_batches(Data(*batches), "mine", dtype)


def test_a_pair_is_x_and_y_of_any_number_of_examples():
    found = batches_of((torch.ones(4, 3), torch.ones(4)), (torch.ones(2, 3), torch.ones(2)))
    assert found.structure.names == ["x", "y"]
    assert found.shapes == [("batch", 3), ("batch",)]


@pytest.mark.parametrize(
    ("batch", "names"),
    [
        (torch.ones(4), ["x"]),
        ([torch.ones(4)], ["x"]),
        ((torch.ones(4), torch.ones(4), torch.ones(4)), ["x_0", "x_1", "x_2"]),
        ({"a": torch.ones(4), "b": (torch.ones(4), torch.ones(4))}, ["a", "b_0", "b_1"]),
        (SequenceBatch(torch.ones(4, 2), torch.ones(4), torch.ones(4)), ["x", "y", "lengths"]),
    ],
)
def test_tensors_have_the_names_of_their_places(batch, names):
    assert batches_of(batch).structure.names == names


def test_a_size_that_differs_from_batch_to_batch_is_a_length():
    found = batches_of(*({"a": torch.ones(3, n, 5), "b": torch.ones(3, n), "c": torch.ones(3, n + n)} for n in (4, 6)))
    assert found.shapes == [("batch", "length", 5), ("batch", "length"), ("batch", "length_2")]


def test_sequences_have_any_length_even_if_all_batches_have_the_same():
    found = batches_of(SequenceBatch(torch.ones(3, 4), torch.ones(3, 4), torch.ones(3)))
    assert found.shapes == [("batch", "length"), ("batch", "length"), ("batch",)]


def test_the_example_has_two_rows_also_of_batches_of_one():
    found = batches_of((torch.ones(1, 3), torch.zeros(())), (torch.ones(1, 3), torch.zeros(())))
    assert [tuple(tensor.shape) for tensor in found.example()] == [(2, 3), ()]
    assert [tuple(tensor.shape) for tensor in found.first_alone()] == [(1, 3), ()]
    assert found.num_examples(found.batches[0]) == 1


def test_floats_are_in_the_models_precision():
    found = batches_of((torch.ones(4, 3), torch.ones(4, dtype=torch.int64)), dtype=torch.float64)
    assert [tensor.dtype for tensor in found.batches[0]] == [torch.float64, torch.int64]


def test_as_many_batches_as_are_compared_are_read():
    found = batches_of(*[(torch.ones(400, 1), torch.ones(400))] * 9)
    assert len(found.batches) == 3


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "a batch of dataset 'mine' cannot be described: there is no test batch"),
        ([()], "cannot be described: there is no tensor in it"),
        ([torch.zeros(())], "cannot be described: no tensor in it has a dimension of the examples"),
        ([{"a": torch.ones(2)}, {"b": torch.ones(2)}], "its structure differs from batch to batch"),
        (
            [(torch.ones(2), None)],
            "cannot be described: y is a NoneType; only tensors in tuples, lists and dicts can be",
        ),
    ],
)
def test_what_cannot_be_described_is_refused(batches, message):
    with pytest.raises(DlpipeError, match=message):
        batches_of(*batches)


def test_a_dataset_without_test_batches_is_refused():
    with pytest.raises(DlpipeError, match="dataset 'mine' has no predict_dataloader and no test_dataloader"):
        first_batches(LightningDataModule(), "mine", torch.float32)


def test_the_first_of_several_dataloaders_gives_the_batches():
    class Two(LightningDataModule):
        def test_dataloader(self):
            return [[torch.ones(4, 3)], [torch.ones(4, 5)]]

    assert first_batches(Two(), "mine", torch.float32).shapes == [("batch", 3)]


def test_outputs_follow_the_inputs_sizes():
    outputs = [[torch.ones(b, n, 5), torch.ones(b)] for b, n in ((2, 7), (9, 7), (1, 3))]
    assert output_shapes(outputs, {"batch": (2, 9, 1), "length": (7, 7, 3)}) == [("batch", "length", 5), ("batch",)]
    assert output_shapes([[torch.ones(2)], [torch.ones(3)]], {"batch": (5, 5)}) == [("any",)]


def compare(exported, original):
    return largest_difference(lambda _: [exported], lambda _: [original], [[]], ["y"])


def test_the_largest_difference_is_reported():
    assert compare(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0001])) == pytest.approx(1e-4, rel=1e-2)
    assert compare(torch.tensor([float("nan")]), torch.tensor([float("nan")])) == 0
    assert compare(torch.ones(0), torch.ones(0)) == 0
    assert compare(torch.tensor([True]), torch.tensor([True])) == 0


def test_outputs_that_disagree_are_refused():
    with pytest.raises(DlpipeError, match=r"1 of 2 values of y differ, by up to 0.1; allowed are 1e-06 \+ 0.0001 of"):
        compare(torch.tensor([1.0, 2.1]), torch.tensor([1.0, 2.0]))
    with pytest.raises(DlpipeError, match=r"gives a y of the shape \(2,\), the model \(1,\); nothing was written"):
        compare(torch.ones(2), torch.ones(1))
