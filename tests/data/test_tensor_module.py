"""What every dataset of resident tensors does: evaluation, and the checks of data against config."""

import json

import pytest
import torch

from dlpipe import DataError
from dlpipe.data import Split, TensorDataModule


class Given(TensorDataModule):
    """A dataset of the splits it is given."""

    def __init__(self, given, **loading):
        super().__init__(**loading)
        self.given = given

    def load_splits(self):
        return self.given


def splits(counts=(100, 50, 40), **changed):
    """Random images of 4 x 4 in two classes."""
    made = {
        name: Split(torch.rand(count, 16), torch.arange(count) % 2)
        for name, count in zip(("train", "val", "test"), counts, strict=True)
    }
    return made | changed


@pytest.fixture
def dataset(loading):
    def make(given=None, **changes):
        data = Given(given or splits(), **loading(**changes))
        data.setup("fit")
        return data

    return make


def examples(loader):
    return sum(len(batch.y) for batch in loader)


@pytest.mark.parametrize("eval_batch_size", [1, 7, 40, 10_000])
def test_evaluation_uses_every_example_whatever_its_batch_size(dataset, eval_batch_size):
    data = dataset(batch_size=30, eval_batch_size=eval_batch_size)
    assert examples(data.val_dataloader()) == 50
    assert examples(data.test_dataloader()) == 40


@pytest.mark.parametrize("eval_batch_size", [7, 600, 2500, 10_000])
def test_evaluation_may_leave_out_what_fills_no_training_minibatch(dataset, eval_batch_size):
    many = splits((600, 10_000, 10_000))
    data = dataset(many, batch_size=600, eval_drop_last=True, eval_batch_size=eval_batch_size)
    assert examples(data.val_dataloader()) == 9600
    assert examples(data.test_dataloader()) == 9600


def test_what_evaluation_leaves_out_are_the_last_examples(dataset):
    data = dataset(batch_size=30, eval_drop_last=True)
    (batch,) = data.val_dataloader()
    assert torch.equal(batch.x, data.splits["val"].x[:30])


def test_evaluation_is_never_shuffled(dataset):
    data = dataset(shuffle=True)
    (batch,) = data.test_dataloader()
    assert torch.equal(batch.x, data.splits["test"].x)


def test_evaluation_batches_share_memory_with_the_resident_tensors(dataset):
    data = dataset(eval_drop_last=True)
    (batch,) = data.val_dataloader()
    assert batch.x.data_ptr() == data.splits["val"].x.data_ptr()


def test_results_do_not_depend_on_the_evaluation_batch_size(cli):
    best = []
    for size in (7, 2500):
        overrides = f"dataset.eval_batch_size={size}", f"hydra.run.dir=of_{size}"
        result = cli("model=logreg", "trainer.max_epochs=2", *overrides)
        assert result.code == 0, result.err
        best.append(json.loads((result.folder / f"of_{size}" / "summary.json").read_text())["best"]["value"])
    assert best[0] == pytest.approx(best[1], rel=1e-12)


def test_training_drops_the_remainder_where_it_is_told_to(dataset):
    assert examples(dataset(batch_size=30, drop_last=True).train_dataloader()) == 90


def test_training_uses_every_example_otherwise(dataset):
    assert examples(dataset(batch_size=30).train_dataloader()) == 100


def test_the_seed_decides_the_order_of_training(dataset):
    first, second = (
        torch.cat([batch.x for batch in dataset(shuffle=True, seed=seed).train_dataloader()]) for seed in (0, 1)
    )
    assert not torch.equal(first, second)


def test_splits_are_loaded_once(dataset):
    data = dataset()
    before = data.splits["train"].x
    data.given = {}
    data.setup("test")
    assert data.splits["train"].x is before


def test_other_features_than_configured_are_refused(dataset):
    wide = Split(torch.rand(50, 25), torch.zeros(50, dtype=torch.int64))
    with pytest.raises(DataError, match=r"val has 25 features an example; the config says num_features=16"):
        dataset(splits(val=wide))


def test_an_image_shape_that_is_not_of_the_features_is_refused(dataset):
    with pytest.raises(DataError, match=r"train has 16 features .* image_shape=\[1, 5, 5\]\. Set dataset"):
        dataset(image_shape=[1, 5, 5])


def test_labels_that_are_missing_are_refused(dataset):
    short = Split(torch.rand(40, 16), torch.zeros(39, dtype=torch.int64))
    with pytest.raises(DataError, match="test has 40 examples but 39 labels"):
        dataset(splits(test=short))


@pytest.mark.parametrize(("label", "message"), [(2, "from 0 to 2"), (-1, "from -1 to 1")])
def test_a_label_beyond_the_classes_is_refused(dataset, label, message):
    given = splits()
    given["train"].y[3] = label
    with pytest.raises(DataError, match=rf"train has labels {message}; dataset\.num_classes=2 allows 0 to 1"):
        dataset(given)


def test_a_split_without_examples_is_refused(dataset):
    with pytest.raises(DataError, match="val has no examples"):
        dataset(splits((100, 0, 40)))


def test_a_minibatch_larger_than_the_training_set_is_refused_where_it_would_be_dropped(dataset):
    with pytest.raises(DataError, match=r"train has 100 examples, fewer than one minibatch of 101.*recipe\.batch_size"):
        dataset(batch_size=101, drop_last=True)


def test_a_minibatch_larger_than_an_evaluation_set_is_refused_where_it_would_be_dropped(dataset):
    with pytest.raises(DataError, match="test has 40 examples, fewer than one minibatch of 50"):
        dataset(batch_size=50, eval_drop_last=True)


def test_a_minibatch_larger_than_the_dataset_is_the_dataset_where_nothing_is_dropped(dataset):
    (batch,) = dataset(batch_size=1000).train_dataloader()
    assert len(batch.y) == 100
